"""Resource types that cost nothing by themselves, with the reason where it is not plain."""

from typing import Final

PLAIN: Final = "AWS takes nothing for it"
IN_ITS_SERVICE: Final = "a setting of something that is priced where it is declared"

FREE: Final[dict[str, str]] = {
    "aws:acm/certificate:Certificate": "public certificates are free",
    "aws:acm/certificateValidation:CertificateValidation": PLAIN,
    "aws:appautoscaling/scheduledAction:ScheduledAction": PLAIN,
    "aws:appautoscaling/target:Target": PLAIN,
    "aws:cfg/deliveryChannel:DeliveryChannel": "what it writes is in the bucket",
    "aws:cfg/recorderStatus:RecorderStatus": IN_ITS_SERVICE,
    "aws:cloudwatch/eventRule:EventRule": "events of AWS services are free",
    "aws:cloudwatch/eventTarget:EventTarget": PLAIN,
    "aws:ebs/encryptionByDefault:EncryptionByDefault": PLAIN,
    "aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess": PLAIN,
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": PLAIN,
    "aws:ec2/defaultNetworkAcl:DefaultNetworkAcl": PLAIN,
    "aws:ec2/defaultRouteTable:DefaultRouteTable": PLAIN,
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": PLAIN,
    "aws:ec2/eipAssociation:EipAssociation": "the address is priced where it is declared",
    "aws:ec2/imageBlockPublicAccess:ImageBlockPublicAccess": PLAIN,
    "aws:ec2/instanceMetadataDefaults:InstanceMetadataDefaults": PLAIN,
    "aws:ec2/internetGateway:InternetGateway": "only what passes it costs, and is with who sends",
    "aws:ec2/launchTemplate:LaunchTemplate": "its instances are priced with their group",
    "aws:ec2/networkInterface:NetworkInterface": PLAIN,
    "aws:ec2/route:Route": PLAIN,
    "aws:ec2/routeTable:RouteTable": PLAIN,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": PLAIN,
    "aws:ec2/securityGroup:SecurityGroup": PLAIN,
    "aws:ec2/subnet:Subnet": PLAIN,
    "aws:ec2/vpc:Vpc": PLAIN,
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": PLAIN,
    "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration": (
        "basic scanning is free"
    ),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": PLAIN,
    "aws:ecs/taskDefinition:TaskDefinition": "its tasks are priced with their service",
    "aws:iam/accountPasswordPolicy:AccountPasswordPolicy": PLAIN,
    "aws:iam/instanceProfile:InstanceProfile": PLAIN,
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": PLAIN,
    "aws:iam/policy:Policy": PLAIN,
    "aws:iam/role:Role": PLAIN,
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": PLAIN,
    "aws:iam/serviceLinkedRole:ServiceLinkedRole": PLAIN,
    "aws:kms/alias:Alias": PLAIN,
    "aws:lb/listener:Listener": PLAIN,
    "aws:lb/listenerRule:ListenerRule": "rule evaluations are part of the capacity units",
    "aws:lb/targetGroup:TargetGroup": PLAIN,
    "aws:rds/parameterGroup:ParameterGroup": PLAIN,
    "aws:rds/subnetGroup:SubnetGroup": PLAIN,
    "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock": PLAIN,
    "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration": PLAIN,
    "aws:s3/bucketLogging:BucketLogging": "delivery is free; what it writes is in the bucket",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": PLAIN,
    "aws:s3/bucketPolicy:BucketPolicy": PLAIN,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": PLAIN,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        "calls of the key are priced with the key"
    ),
    "aws:s3/bucketVersioning:BucketVersioning": "old versions are part of what is stored",
    "aws:scheduler/schedule:Schedule": "14 million calls a month are free in every account",
    "aws:securityhub/standardsSubscription:StandardsSubscription": "priced with the hub's checks",
    "aws:servicediscovery/service:Service": "names of ECS tasks are free; look-ups are the zone's",
    "aws:sns/topic:Topic": "the first million messages a month are free in every account",
    "aws:sns/topicPolicy:TopicPolicy": PLAIN,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": PLAIN,
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": PLAIN,
    "aws:wafv2/webAclAssociation:WebAclAssociation": PLAIN,
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": (
        "its log lines are priced with their log group"
    ),
}

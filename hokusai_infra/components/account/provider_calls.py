"""What the AWS provider calls for each type of resource: the permissions of whoever deploys it.

Actions are those of docs.aws.amazon.com/service-authorization/latest/reference. A type that is not
here cannot be deployed by a pipeline; the tests compare the table with the recorded stacks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Calls:
    """Actions of one type of resource."""

    reads: frozenset[str]
    """Describe the resource: preview and refresh need them."""
    writes: frozenset[str]
    """Create, change, tag and delete it."""


def _calls(
    service: str, *, reads: str, writes: str, further: str = "", further_reads: str = ""
) -> Calls:
    return Calls(
        reads=frozenset((*(f"{service}:{each}" for each in reads.split()), *further_reads.split())),
        writes=frozenset((*(f"{service}:{each}" for each in writes.split()), *further.split())),
    )


def _ec2(what: str, *, reads: str, more: str = "") -> Calls:
    """Return the calls of what is created, deleted and tagged under one name."""
    return _calls(
        "ec2", reads=reads, writes=f"Create{what} Delete{what} CreateTags DeleteTags {more}"
    )


def _scaling(what: str, *, put: str, delete: str) -> Calls:
    tags = "TagResource UntagResource" if put == "RegisterScalableTarget" else ""
    return _calls(
        "application-autoscaling",
        reads=f"Describe{what} ListTagsForResource",
        writes=f"{put} {delete} {tags}",
    )


def _bucket(reads: str, writes: str) -> Calls:
    return _calls("s3", reads=reads, writes=writes)


_RULES_OF_GROUPS: Final = _calls(
    "ec2",
    reads="DescribeSecurityGroups DescribeSecurityGroupRules",
    writes="AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress ModifySecurityGroupRules "
    "RevokeSecurityGroupEgress RevokeSecurityGroupIngress CreateTags DeleteTags",
)
_TARGETS: Final = "AddTags RemoveTags"
_RDS_TAGS: Final = "AddTagsToResource RemoveTagsFromResource"
_NAMES: Final = "TagResource UntagResource"

CALLS: Final[dict[str, Calls]] = {
    "aws:acm/certificate:Certificate": _calls(
        "acm",
        reads="DescribeCertificate ListTagsForCertificate",
        writes="RequestCertificate DeleteCertificate UpdateCertificateOptions "
        "AddTagsToCertificate RemoveTagsFromCertificate",
    ),
    "aws:acm/certificateValidation:CertificateValidation": _calls(
        "acm", reads="DescribeCertificate GetCertificate", writes=""
    ),
    "aws:appautoscaling/policy:Policy": _scaling(
        "ScalingPolicies", put="PutScalingPolicy", delete="DeleteScalingPolicy"
    ),
    "aws:appautoscaling/scheduledAction:ScheduledAction": _scaling(
        "ScheduledActions", put="PutScheduledAction", delete="DeleteScheduledAction"
    ),
    "aws:appautoscaling/target:Target": _scaling(
        "ScalableTargets", put="RegisterScalableTarget", delete="DeregisterScalableTarget"
    ),
    "aws:autoscaling/group:Group": _calls(
        "autoscaling",
        reads="DescribeAutoScalingGroups DescribeScalingActivities DescribeInstanceRefreshes "
        "DescribeLoadBalancerTargetGroups DescribeLoadBalancers DescribeTrafficSources "
        "DescribeWarmPool",
        writes="CreateAutoScalingGroup UpdateAutoScalingGroup DeleteAutoScalingGroup "
        "CreateOrUpdateTags DeleteTags EnableMetricsCollection DisableMetricsCollection "
        "StartInstanceRefresh CancelInstanceRefresh SetInstanceProtection",
        # Its launch template may name an image by a public parameter.
        further="ec2:RunInstances ec2:CreateTags ssm:GetParameters",
    ),
    "aws:cloudwatch/logGroup:LogGroup": _calls(
        "logs",
        reads="DescribeLogGroups ListTagsForResource",
        writes="CreateLogGroup DeleteLogGroup PutRetentionPolicy DeleteRetentionPolicy "
        "AssociateKmsKey DisassociateKmsKey TagResource UntagResource",
    ),
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": _calls(
        "logs",
        reads="DescribeResourcePolicies",
        writes="PutResourcePolicy DeleteResourcePolicy",
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": _calls(
        "cloudwatch",
        reads="DescribeAlarms ListTagsForResource",
        writes="PutMetricAlarm DeleteAlarms TagResource UntagResource",
    ),
    "aws:ec2/defaultNetworkAcl:DefaultNetworkAcl": _calls(
        "ec2",
        reads="DescribeNetworkAcls DescribeAccountAttributes",
        writes="CreateNetworkAclEntry DeleteNetworkAclEntry ReplaceNetworkAclAssociation "
        "CreateTags DeleteTags",
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": _RULES_OF_GROUPS,
    "aws:ec2/eip:Eip": _calls(
        "ec2",
        reads="DescribeAddresses DescribeAddressesAttribute",
        writes="AllocateAddress AssociateAddress DisassociateAddress ReleaseAddress CreateTags "
        "DeleteTags",
    ),
    "aws:ec2/eipAssociation:EipAssociation": _calls(
        "ec2", reads="DescribeAddresses", writes="AssociateAddress DisassociateAddress"
    ),
    "aws:ec2/flowLog:FlowLog": _calls(
        "ec2",
        reads="DescribeFlowLogs DescribeAccountAttributes",
        writes="CreateFlowLogs DeleteFlowLogs CreateTags DeleteTags",
        further="logs:CreateLogDelivery logs:DeleteLogDelivery",
    ),
    "aws:ec2/internetGateway:InternetGateway": _ec2(
        "InternetGateway",
        reads="DescribeInternetGateways",
        more="AttachInternetGateway DetachInternetGateway",
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": _ec2(
        "LaunchTemplate",
        reads="DescribeLaunchTemplates DescribeLaunchTemplateVersions DescribeInstanceTypes",
        more="CreateLaunchTemplateVersion DeleteLaunchTemplateVersions ModifyLaunchTemplate",
    ),
    "aws:ec2/natGateway:NatGateway": _ec2("NatGateway", reads="DescribeNatGateways"),
    "aws:ec2/networkInterface:NetworkInterface": _ec2(
        "NetworkInterface",
        reads="DescribeNetworkInterfaces",
        more="ModifyNetworkInterfaceAttribute DetachNetworkInterface",
    ),
    "aws:ec2/route:Route": _calls(
        "ec2", reads="DescribeRouteTables", writes="CreateRoute DeleteRoute ReplaceRoute"
    ),
    "aws:ec2/routeTable:RouteTable": _ec2(
        "RouteTable", reads="DescribeRouteTables", more="DisassociateRouteTable"
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _calls(
        "ec2",
        reads="DescribeRouteTables",
        writes="AssociateRouteTable DisassociateRouteTable ReplaceRouteTableAssociation",
    ),
    "aws:ec2/securityGroup:SecurityGroup": Calls(
        reads=_RULES_OF_GROUPS.reads | {"ec2:DescribeNetworkInterfaces"},
        writes=_RULES_OF_GROUPS.writes | {"ec2:CreateSecurityGroup", "ec2:DeleteSecurityGroup"},
    ),
    "aws:ec2/subnet:Subnet": _ec2(
        "Subnet",
        reads="DescribeSubnets DescribeNetworkInterfaces",
        more="ModifySubnetAttribute",
    ),
    "aws:ec2/vpc:Vpc": _ec2(
        "Vpc",
        reads="DescribeVpcs DescribeVpcAttribute DescribeNetworkAcls DescribeRouteTables "
        "DescribeSecurityGroups DescribeAccountAttributes",
        more="ModifyVpcAttribute",
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": _calls(
        "ec2",
        reads="DescribeVpcEndpoints DescribePrefixLists",
        writes="CreateVpcEndpoint ModifyVpcEndpoint DeleteVpcEndpoints CreateTags DeleteTags",
    ),
    "aws:ecs/cluster:Cluster": _calls(
        "ecs",
        reads="DescribeClusters ListTagsForResource",
        writes="CreateCluster UpdateCluster UpdateClusterSettings PutClusterCapacityProviders "
        "DeleteCluster TagResource UntagResource",
    ),
    "aws:ecs/service:Service": _calls(
        "ecs",
        reads="DescribeServices DescribeServiceDeployments ListServiceDeployments "
        "ListTagsForResource",
        writes="CreateService UpdateService DeleteService TagResource UntagResource",
    ),
    "aws:ecs/taskDefinition:TaskDefinition": _calls(
        "ecs",
        reads="DescribeTaskDefinition ListTagsForResource",
        writes="RegisterTaskDefinition DeregisterTaskDefinition TagResource UntagResource",
    ),
    "aws:iam/instanceProfile:InstanceProfile": _calls(
        "iam",
        reads="GetInstanceProfile ListInstanceProfilesForRole",
        writes="CreateInstanceProfile DeleteInstanceProfile AddRoleToInstanceProfile "
        "RemoveRoleFromInstanceProfile TagInstanceProfile UntagInstanceProfile",
    ),
    "aws:iam/role:Role": _calls(
        "iam",
        reads="GetRole ListRolePolicies ListAttachedRolePolicies ListInstanceProfilesForRole "
        "ListRoleTags",
        writes="CreateRole DeleteRole UpdateRole UpdateAssumeRolePolicy TagRole UntagRole "
        "PutRolePermissionsBoundary",
    ),
    "aws:iam/rolePolicy:RolePolicy": _calls(
        "iam", reads="GetRolePolicy", writes="PutRolePolicy DeleteRolePolicy"
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": _calls(
        "iam", reads="ListAttachedRolePolicies", writes="AttachRolePolicy DetachRolePolicy"
    ),
    "aws:kms/alias:Alias": _calls(
        "kms", reads="ListAliases", writes="CreateAlias UpdateAlias DeleteAlias"
    ),
    "aws:kms/key:Key": _calls(
        "kms",
        reads="DescribeKey GetKeyPolicy GetKeyRotationStatus ListResourceTags",
        writes="CreateKey PutKeyPolicy EnableKey EnableKeyRotation UpdateKeyDescription "
        "ScheduleKeyDeletion TagResource UntagResource",
    ),
    "aws:lb/listener:Listener": _calls(
        "elasticloadbalancing",
        reads="DescribeListeners DescribeListenerAttributes DescribeTags",
        writes=f"CreateListener ModifyListener ModifyListenerAttributes DeleteListener {_TARGETS}",
    ),
    "aws:lb/listenerRule:ListenerRule": _calls(
        "elasticloadbalancing",
        reads="DescribeRules DescribeTags",
        writes=f"CreateRule ModifyRule SetRulePriorities DeleteRule {_TARGETS}",
    ),
    "aws:lb/loadBalancer:LoadBalancer": _calls(
        "elasticloadbalancing",
        reads="DescribeLoadBalancers DescribeLoadBalancerAttributes DescribeCapacityReservation "
        "DescribeTags",
        writes="CreateLoadBalancer ModifyLoadBalancerAttributes SetSecurityGroups SetSubnets "
        f"SetIpAddressType DeleteLoadBalancer {_TARGETS}",
    ),
    "aws:lb/targetGroup:TargetGroup": _calls(
        "elasticloadbalancing",
        reads="DescribeTargetGroups DescribeTargetGroupAttributes DescribeTargetHealth "
        "DescribeTags",
        writes="CreateTargetGroup ModifyTargetGroup ModifyTargetGroupAttributes "
        f"DeleteTargetGroup {_TARGETS}",
    ),
    "aws:rds/instance:Instance": _calls(
        "rds",
        reads="DescribeDBInstances DescribeDBEngineVersions DescribeDBSnapshots "
        "DescribeDBInstanceAutomatedBackups "
        "ListTagsForResource",
        writes="CreateDBInstance ModifyDBInstance RebootDBInstance DeleteDBInstance "
        f"CreateDBSnapshot {_RDS_TAGS}",
    ),
    "aws:rds/parameterGroup:ParameterGroup": _calls(
        "rds",
        reads="DescribeDBParameterGroups DescribeDBParameters ListTagsForResource",
        writes="CreateDBParameterGroup ModifyDBParameterGroup ResetDBParameterGroup "
        f"DeleteDBParameterGroup {_RDS_TAGS}",
    ),
    "aws:rds/subnetGroup:SubnetGroup": _calls(
        "rds",
        reads="DescribeDBSubnetGroups ListTagsForResource",
        writes=f"CreateDBSubnetGroup ModifyDBSubnetGroup DeleteDBSubnetGroup {_RDS_TAGS}",
    ),
    "aws:route53/record:Record": _calls(
        "route53",
        reads="GetChange GetHostedZone ListResourceRecordSets",
        writes="ChangeResourceRecordSets",
    ),
    "aws:s3/bucket:Bucket": _bucket(
        "GetAccelerateConfiguration GetBucketAcl GetBucketCORS GetBucketLocation GetBucketLogging "
        "GetBucketObjectLockConfiguration GetBucketPolicy GetBucketRequestPayment "
        "GetBucketTagging GetBucketVersioning GetBucketWebsite GetEncryptionConfiguration "
        "GetLifecycleConfiguration GetReplicationConfiguration ListBucket ListTagsForResource",
        "CreateBucket DeleteBucket PutBucketTagging TagResource UntagResource",
    ),
    "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration": _bucket(
        "GetBucketCORS", "PutBucketCORS"
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _bucket(
        "GetLifecycleConfiguration", "PutLifecycleConfiguration"
    ),
    "aws:s3/bucketLogging:BucketLogging": _bucket("GetBucketLogging", "PutBucketLogging"),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _bucket(
        "GetBucketOwnershipControls", "PutBucketOwnershipControls"
    ),
    "aws:s3/bucketPolicy:BucketPolicy": _bucket(
        "GetBucketPolicy", "PutBucketPolicy DeleteBucketPolicy"
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _bucket(
        "GetBucketPublicAccessBlock", "PutBucketPublicAccessBlock"
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        _bucket("GetEncryptionConfiguration", "PutEncryptionConfiguration")
    ),
    "aws:s3/bucketVersioning:BucketVersioning": _bucket(
        "GetBucketVersioning", "PutBucketVersioning"
    ),
    "aws:scheduler/schedule:Schedule": _calls(
        "scheduler", reads="GetSchedule", writes="CreateSchedule UpdateSchedule DeleteSchedule"
    ),
    "aws:secretsmanager/secret:Secret": _calls(
        "secretsmanager",
        reads="DescribeSecret GetResourcePolicy",
        writes="CreateSecret UpdateSecret DeleteSecret RestoreSecret TagResource UntagResource",
    ),
    "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": _calls(
        "servicediscovery",
        reads="GetNamespace GetOperation ListTagsForResource",
        writes=f"CreatePrivateDnsNamespace UpdatePrivateDnsNamespace DeleteNamespace {_NAMES}",
        # The namespace is a private hosted zone, made in the name of whoever asks for it.
        # docs.aws.amazon.com/cloud-map/latest/dg/cloud-map-api-permissions-ref.html; that a
        # namespace takes its zone along is in AWSCloudMapFullAccess only.
        further="route53:CreateHostedZone route53:DeleteHostedZone route53:ListHostedZonesByName",
        further_reads="ec2:DescribeRegions ec2:DescribeVpcs route53:GetHostedZone",
    ),
    "aws:servicediscovery/service:Service": _calls(
        "servicediscovery",
        reads="GetService ListInstances ListTagsForResource",
        writes=f"CreateService UpdateService DeleteService DeregisterInstance {_NAMES}",
        # An instance that is left behind may have a health check.
        further="route53:DeleteHealthCheck route53:GetHealthCheck route53:UpdateHealthCheck",
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _RULES_OF_GROUPS,
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _RULES_OF_GROUPS,
    "aws:wafv2/webAcl:WebAcl": _calls(
        "wafv2",
        reads="GetWebACL ListTagsForResource",
        writes="CreateWebACL UpdateWebACL DeleteWebACL TagResource UntagResource",
    ),
    "aws:wafv2/webAclAssociation:WebAclAssociation": _calls(
        "wafv2",
        reads="GetWebACL GetWebACLForResource",
        # WAF asks the load balancer's service in the name of the caller, under names that are no
        # calls of it; AWS documents both SetWebAcl and those that have taken its place.
        # docs.aws.amazon.com/waf/latest/developerguide/security_iam_service-with-iam.html
        writes="AssociateWebACL DisassociateWebACL GetPermissionPolicy PutPermissionPolicy",
        further="elasticloadbalancing:CreateWebACLAssociation "
        "elasticloadbalancing:DeleteWebACLAssociation elasticloadbalancing:SetWebAcl",
        further_reads="elasticloadbalancing:GetLoadBalancerWebACL",
    ),
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": _calls(
        "wafv2",
        reads="GetLoggingConfiguration",
        writes="PutLoggingConfiguration DeleteLoggingConfiguration",
        further="logs:CreateLogDelivery logs:DeleteLogDelivery logs:PutResourcePolicy "
        "logs:DescribeResourcePolicies",
    ),
}


def reads(types: Iterable[str]) -> frozenset[str]:
    """Return what describing resources of these types takes."""
    return frozenset[str]().union(*(CALLS[each].reads for each in types))


def writes(types: Iterable[str]) -> frozenset[str]:
    """Return what creating, changing and deleting resources of these types takes."""
    return frozenset[str]().union(*(CALLS[each].writes for each in types))

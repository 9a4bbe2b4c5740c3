"""What the service reads from its environment, and what the program therefore gives it."""

from typing import Final

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PORT: Final = 8080
HEALTH_PATH: Final = "/health"


class Settings(BaseSettings):
    """Settings of one process; a field without a default must be deployed."""

    model_config = SettingsConfigDict(
        env_prefix="POSTCARDS_", frozen=True, use_attribute_docstrings=True
    )

    port: int = Field(validation_alias="PORT")
    """TCP port to listen on; the service component writes it."""
    host: str = "0.0.0.0"  # noqa: S104 - a task has an address of its own
    """Address to listen on; a laptop has others in its network."""
    bucket: str
    """S3 bucket of the cards."""
    url: str
    """Public origin of the service."""

"""The bodies and parameters of the calls for files and costs."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from wherobots_local.api.queries import Parameters
from wherobots_local.api.validation import PublishedModel


class CostsRequest(PublishedModel):
    """``GetKubeAppCostsInput``: the ``kubeApp.id`` of each run."""

    kube_app_ids: Annotated[list[str], Field(min_length=1, max_length=100)]


class FolderQuery(Parameters):
    """``limit=0`` means all entries."""

    cursor: str | None = None
    limit: Annotated[int, Field(ge=0, le=1000)] = 0


class RenameQuery(Parameters):
    new_name: str


class KeyQuery(Parameters):
    """Bucket and key of a file."""

    key: Annotated[str, AfterValidator(lambda key: key.strip().removeprefix("s3://"))]


class DirectoryQuery(Parameters):
    """Bucket and key of a folder, with or without a slash at the end."""

    dir: Annotated[str, AfterValidator(lambda key: key.strip().removeprefix("s3://").removesuffix("/"))]


class IntegrationDirectoryQuery(Parameters):
    """``dir`` is a path in the integration."""

    integration_id: str
    dir: Annotated[str, AfterValidator(lambda path: path.strip().strip("/"))]

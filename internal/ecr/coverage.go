package ecr

import "github.com/paddock-run/paddock/internal/coverage"

// Settings says what becomes of the settings that have no full effect.
var Settings = []coverage.Setting{
	{Operation: "CreateRepository", Setting: "encryptionConfiguration", Status: coverage.StoredOnly, Note: "Images are not encrypted: encrypt the disk that holds the data folder."},
	{Operation: "CreateRepository, PutImageScanningConfiguration", Setting: "imageScanningConfiguration", Status: coverage.StoredOnly, Note: "Images are not scanned."},
	{Operation: "SetRepositoryPolicy", Setting: "policyText", Status: coverage.StoredOnly, Note: "Callers are not authorized: the policy must be a JSON object, and is kept and returned."},
	{Operation: "SetRepositoryPolicy", Setting: "force", Status: coverage.StoredOnly, Note: "No policy locks anybody out."},
	{Operation: "PutLifecyclePolicy", Setting: "lifecyclePolicyText", Status: coverage.StoredOnly, Note: "It must be a JSON object, and is kept and returned; no image expires by it."},
	{Operation: "ListImages, DescribeImages", Setting: "filter.imageStatus", Status: coverage.Works, Note: "Every image is ACTIVE: none is archived."},
	{Operation: "GetAuthorizationToken", Status: coverage.Works, Note: "The token is asked for where --access-key is; it is good for 12 hours or until Paddock restarts. The registry also answers at Paddock's own host and port below /v2/, for the default account and region."},
	{Operation: "GetDownloadUrlForLayer", Status: coverage.Works, Note: "The URL is the layer's in the registry, and needs the authorization token where credentials are enforced."},
}

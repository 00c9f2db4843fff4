package ecr

import (
	"fmt"

	api "github.com/paddock-run/paddock/internal/api/ecr"
)

func noRepository(r Repository) error {
	return &api.RepositoryNotFoundException{Message: new(fmt.Sprintf("The repository with name '%s' does not exist in the registry with id '%s'", r.Name, r.Account))}
}

func noImage(r Repository, id string) error {
	return &api.ImageNotFoundException{Message: new(fmt.Sprintf("The image with imageId %s does not exist within the repository with name '%s' in the registry with id '%s'", id, r.Name, r.Account))}
}

func noUpload(r Repository, id string) error {
	return &api.UploadNotFoundException{Message: new(fmt.Sprintf("The upload with id '%s' does not exist in the repository with name '%s'", id, r.Name))}
}

func invalid(format string, args ...any) error {
	return &api.InvalidParameterException{Message: new("Invalid parameter at " + fmt.Sprintf(format, args...))}
}

func describeID(id *api.ImageIdentifier) string {
	return fmt.Sprintf("{imageDigest:'%s', imageTag:'%s'}", orNull(id.ImageDigest), orNull(id.ImageTag))
}

func orNull(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}

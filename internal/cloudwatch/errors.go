package cloudwatch

import (
	"fmt"

	api "github.com/paddock-run/paddock/internal/api/cloudwatch"
	"github.com/paddock-run/paddock/internal/awserr"
)

func invalid(format string, args ...any) error {
	return &api.InvalidParameterValueException{Message: new(fmt.Sprintf(format, args...))}
}

func combination(format string, args ...any) error {
	return &api.InvalidParameterCombinationException{Message: new(fmt.Sprintf(format, args...))}
}

func missing(parameter string) error {
	return &api.MissingRequiredParameterException{Message: new("The parameter " + parameter + " is required.")}
}

// validation is an error that CloudWatch's model has no shape for.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CommonErrors.html
func validation(format string, args ...any) error {
	return awserr.New(400, "ValidationError", format, args...)
}

func unsupported(what string) error {
	return validation("Paddock does not support %s yet.", what)
}

package sqs

import (
	"fmt"

	api "github.com/paddock-run/paddock/internal/api/sqs"
	"github.com/paddock-run/paddock/internal/awserr"
)

// SQS's model has no shape for the two errors that it sends most.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html

func invalid(format string, args ...any) error {
	return awserr.New(400, "InvalidParameterValue", format, args...)
}

func missing(parameter string) error {
	return awserr.New(400, "MissingParameter", "The request must contain the parameter %s.", parameter)
}

func noQueue() error {
	return &api.QueueDoesNotExist{Message: new("The specified queue does not exist.")}
}

func invalidAddress(address string) error {
	return &api.InvalidAddress{Message: new(fmt.Sprintf("The address %s is not valid for this endpoint.", address))}
}

func unknownAttribute(name string) error {
	return &api.InvalidAttributeName{Message: new("Unknown Attribute " + name + ".")}
}

func invalidAttribute(name string) error {
	return &api.InvalidAttributeValue{Message: new("Invalid value for the parameter " + name + ".")}
}

func noResource(parameter string) error {
	return &api.ResourceNotFoundException{Message: new("The resource that you specified for the " + parameter + " parameter doesn't exist.")}
}

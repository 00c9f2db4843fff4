package apigateway

import (
	"context"

	api "github.com/paddock-run/paddock/internal/api/apigateway"
	"github.com/paddock-run/paddock/internal/awserr"
)

// sdkTypes are the SDKs that API Gateway can generate.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-generate-sdk.html
var sdkTypes = []*api.SdkType{
	{
		Id: new("android"), FriendlyName: new("Android"),
		Description: new("An auto-generated SDK for Android applications"),
		ConfigurationProperties: []*api.SdkConfigurationProperty{
			sdkProperty("groupId", "Group ID", "The Maven group ID", true, ""),
			sdkProperty("artifactId", "Artifact ID", "The Maven artifact ID", true, ""),
			sdkProperty("artifactVersion", "Artifact Version", "The Maven artifact version", true, ""),
			sdkProperty("invokerPackage", "Invoker package", "The Java package of the client", true, ""),
		},
	},
	{
		Id: new("java"), FriendlyName: new("Java SDK"), Description: new("An auto-generated SDK for Java applications"),
		ConfigurationProperties: []*api.SdkConfigurationProperty{
			sdkProperty("service.name", "Service Name", "The name of the service's client class", true, ""),
			sdkProperty("java.package-name", "Java Package Name", "The Java package of the client", true, ""),
			sdkProperty("java.build-system", "Java Build System", "The build system of the project: maven or gradle", false, "maven"),
			sdkProperty("java.group-id", "Java Group Id", "The Maven group ID", false, ""),
			sdkProperty("java.artifact-id", "Java Artifact Id", "The Maven artifact ID", false, ""),
			sdkProperty("java.artifact-version", "Java Artifact Version", "The Maven artifact version", false, "1.0-SNAPSHOT"),
			sdkProperty("java.license-text", "Source Code License Text", "The licence at the head of each source file", false, ""),
		},
	},
	{Id: new("javascript"), FriendlyName: new("JavaScript"), Description: new("An auto-generated SDK for JavaScript applications")},
	{
		Id: new("objectivec"), FriendlyName: new("iOS (Objective-C)"), Description: new("An auto-generated SDK for iOS applications in Objective-C"),
		ConfigurationProperties: []*api.SdkConfigurationProperty{sdkProperty("classPrefix", "Prefix", "The prefix of class names", true, "")},
	},
	{
		Id: new("ruby"), FriendlyName: new("Ruby SDK"), Description: new("An auto-generated SDK for Ruby applications"),
		ConfigurationProperties: []*api.SdkConfigurationProperty{
			sdkProperty("service.name", "Service Name", "The name of the service's client class", true, ""),
			sdkProperty("ruby.gem-name", "Ruby Gem Name", "The name of the gem", false, ""),
			sdkProperty("ruby.gem-version", "Ruby Gem Version", "The version of the gem", false, "1.0.0"),
		},
	},
	{
		Id: new("swift"), FriendlyName: new("iOS (Swift)"), Description: new("An auto-generated SDK for iOS applications in Swift"),
		ConfigurationProperties: []*api.SdkConfigurationProperty{sdkProperty("classPrefix", "Prefix", "The prefix of class names", true, "")},
	},
}

func sdkProperty(name, friendly, description string, required bool, fallback string) *api.SdkConfigurationProperty {
	return &api.SdkConfigurationProperty{
		Name: &name, FriendlyName: &friendly, Description: &description, Required: &required, DefaultValue: optional(fallback),
	}
}

// sdkType finds a type by its identifier.
func sdkType(id string) (*api.SdkType, error) {
	for _, t := range sdkTypes {
		if *t.Id == id {
			return t, nil
		}
	}
	return nil, notFound("Invalid SDK type specified: %s", id)
}

// GetSdkTypes lists the SDKs that API Gateway generates on AWS.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetSdkTypes.html
func (s *Service) GetSdkTypes(_ context.Context, in *api.GetSdkTypesRequest) (*api.SdkTypes, error) {
	types, next, err := page(append([]*api.SdkType(nil), sdkTypes...), func(t *api.SdkType) string { return *t.Id }, in.Position, in.Limit)
	if err != nil {
		return nil, err
	}
	return &api.SdkTypes{Items: types, Position: next}, nil
}

// GetSdkType returns one of them.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetSdkType.html
func (s *Service) GetSdkType(_ context.Context, in *api.GetSdkTypeRequest) (*api.SdkType, error) {
	return sdkType(*in.Id)
}

// GetSdk refuses: the generators are AWS's. An exported OpenAPI document has what
// other generators need.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_GetSdk.html
func (s *Service) GetSdk(ctx context.Context, in *api.GetSdkRequest) (*api.SdkResponse, error) {
	a, err := s.load(ctx, *in.RestApiId)
	if err != nil {
		return nil, err
	}
	if a.Stages[*in.StageName] == nil {
		return nil, notFound("Invalid stage identifier specified")
	}
	if _, err := sdkType(*in.SdkType); err != nil {
		return nil, err
	}
	return nil, awserr.New(501, "NotImplementedException",
		"Paddock does not generate SDKs (%s). Export the API (GetExport) and use a generator for OpenAPI documents.", *in.SdkType)
}

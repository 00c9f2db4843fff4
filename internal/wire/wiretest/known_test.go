package wiretest

// knownSmithyFailures are the vectors of Smithy's that fail, and why. One that
// starts to pass breaks the build.
var knownSmithyFailures = because(map[string][]string{
	"the vector wants a request's header, X-Amz-Target, of a response": {
		"response/AwsJson11IntEnums",
	},
	"the request ID is the server's own, not one that an output holds": {
		"response/parses_the_request_id_from_the_response",
	},
	"the request ID is the server's own, and awsQuery's answers have a namespace": {
		"response/QueryNoInputAndNoOutputWithResponseMetadata",
	},
	"the vector is about what a client leaves out: nothing on the wire tells an empty collection from an absent one": {
		"request/QueryEmptyQueryMaps",
		"request/RestJsonOmitsEmptyListQueryValues",
	},
	"botocore's models have no mediaType trait: a blob is taken and given as application/octet-stream": {
		"response/RestJsonHttpPayloadTraitsWithMediaTypeWithBlob",
		"malformed/RestJsonWithPayloadExpectsModeledContentType",
		"malformed/RestJsonWithPayloadExpectsImpliedContentType",
		"response/RestJsonStreamingTraitsWithMediaTypeWithBlob",
		"response/HttpPayloadTraitsWithMediaTypeWithBlob",
	},
	"AWS's services answer in their protocol whatever Accept says, and clients rely on it": {
		"malformed/RestJsonStringPayloadUnsatisfiableAccept",
		"malformed/RestJsonWithBodyExpectsApplicationJsonAccept",
		"malformed/RestJsonWithPayloadExpectsImpliedAccept",
		"malformed/RestJsonWithPayloadExpectsModeledAccept",
	},
	"clients send a Content-Type on requests without a body, and AWS takes it": {
		"malformed/RestJsonWithoutBodyExpectsEmptyContentType",
		"malformed/RestJsonWithoutBodyEmptyInputExpectsEmptyContentType",
	},
	"{} is a structure that is there and empty; nothing tells it from an absent one that a client sends as {}": {
		"request/RestJsonHttpWithEmptyStructurePayload",
		"request/RestJsonHttpWithHeadersButNoPayload",
	},
	"schema.Constraint holds integers, as all bounds of the services we have are": {
		"validation/RestJsonMalformedRangeFloat",
		"validation/RestJsonMalformedRangeMinFloat",
		"validation/RestJsonMalformedRangeMaxFloat",
		"validation/RestJsonMalformedRangeFloatOverride",
		"validation/RestJsonMalformedRangeMinFloatOverride",
		"validation/RestJsonMalformedRangeMaxFloatOverride",
	},
	"botocore's models have no uniqueItems trait": {
		"validation/RestJsonMalformedUniqueItemsBlobList",
		"validation/RestJsonMalformedUniqueItemsBooleanList",
		"validation/RestJsonMalformedUniqueItemsStringList",
		"validation/RestJsonMalformedUniqueItemsByteList",
		"validation/RestJsonMalformedUniqueItemsShortList",
		"validation/RestJsonMalformedUniqueItemsIntegerList",
		"validation/RestJsonMalformedUniqueItemsLongList",
		"validation/RestJsonMalformedUniqueItemsTimestampList",
		"validation/RestJsonMalformedUniqueItemsDateTimeList",
		"validation/RestJsonMalformedUniqueItemsHttpDateList",
		"validation/RestJsonMalformedUniqueItemsEnumList",
		"validation/RestJsonMalformedUniqueItemsIntEnumList",
		"validation/RestJsonMalformedUniqueItemsListList",
		"validation/RestJsonMalformedUniqueItemsStructureList",
		"validation/RestJsonMalformedUniqueItemsUnionList",
	},
	"in conflict with RestXmlServersQueryParamsStringListMap, by which a map of the query parameters has those of other members too": {
		"request/AllQueryStringTypes",
		"request/RestXmlQueryStringEscaping",
		"request/RestXmlSupportsNaNFloatQueryValues",
		"request/RestXmlSupportsInfinityFloatQueryValues",
		"request/RestXmlSupportsNegativeInfinityFloatQueryValues",
		"request/RestXmlZeroAndFalseQueryValues",
	},
	"the vector is about what a client reads: we write UTC": {
		"response/RestXmlDateTimeWithNegativeOffset",
		"response/RestXmlDateTimeWithPositiveOffset",
	},
	"the vector's body has elements that its params have not": {
		"error/ComplexError",
		"error/InvalidGreetingError",
	},
	"an empty body has no type, as S3's have none": {
		"response/RestXmlHttpResponseCode",
	},
	"the vector is about what a client reads over": {
		"response/SimpleScalarPropertiesWithXMLPreamble",
	},
	"S3's errors have no Type element": {
		"error/S3OperationNoErrorWrappingResponse",
	},
})

// because turns reason → vectors into vector → reason.
func because(m map[string][]string) map[string]string {
	out := map[string]string{}
	for reason, keys := range m {
		for _, k := range keys {
			out[k] = reason
		}
	}
	return out
}

// knownBotocoreFailures are the vectors of botocore's that fail, and why.
var knownBotocoreFailures = because(map[string][]string{
	"the vector wants a request's header, X-Amz-Target, of a response": {
		"response/AwsJson11IntEnums",
	},
	"the request ID is the server's own, not one that an output holds": {
		"response/parses_the_request_id_from_the_response",
	},
	"botocore's models merge the statuses of awsQuery and of the protocol that came after it": {
		"error/QueryCompatibleAwsJson10CustomCodeError",
		"error/QueryCompatibleRpcV2CborCustomCodeError",
	},
	"the vector is about what a client leaves out: nothing on the wire tells an empty collection from an absent one": {
		"request/QueryEmptyQueryMaps",
		"request/RestJsonOmitsEmptyListQueryValues",
	},
	"botocore names a flattened list by its element where Smithy names it by its member; it ignores the vector of awsQuery itself": {
		"response/QueryXmlLists",
		"request/XmlLists",
		"response/XmlLists",
	},
	"{} is a structure that is there and empty; nothing tells it from an absent one that a client sends as {}": {
		"request/RestJsonHttpWithEmptyStructurePayload",
		"request/RestJsonHttpWithHeadersButNoPayload",
	},
	"the vector is about what a client reads over: a dense map holds no null": {
		"response/RestJsonDeserializesDenseSetMapAndSkipsNull",
	},
	"in conflict with Smithy's RestXmlServersQueryParamsStringListMap, by which a map of the query parameters has those of other members too": {
		"request/AllQueryStringTypes",
		"request/RestXmlQueryStringEscaping",
		"request/RestXmlSupportsNaNFloatQueryValues",
		"request/RestXmlSupportsInfinityFloatQueryValues",
		"request/RestXmlSupportsNegativeInfinityFloatQueryValues",
		"request/RestXmlZeroAndFalseQueryValues",
	},
	"the vector is about what a client reads: we write UTC": {
		"response/RestXmlDateTimeWithNegativeOffset",
		"response/RestXmlDateTimeWithPositiveOffset",
	},
	"the vector's body has elements that its params have not": {
		"error/InvalidGreetingError",
		"error/ComplexError",
	},
	"an empty body has no type, as S3's have none": {
		"response/RestXmlHttpResponseCode",
	},
	"the vector is about what a client reads over": {
		"response/SimpleScalarPropertiesWithXMLPreamble",
	},
	"botocore's model has lost that the namespace is the member's": {
		"response/XmlNamespaces",
	},
	"an output without members is an empty map, which is a byte long": {
		"response/RpcV2CborPayloadWithUnsetUnion",
	},
})

// knownLegacyFailures are the older vectors of botocore's that fail, and why.
var knownLegacyFailures = because(map[string][]string{
	"the client made the token up: a server takes what is sent": {
		"request/legacy json 6.1 Idempotency token auto fill",
		"request/legacy query 12.1 Idempotency token auto fill",
		"request/legacy rest-json 19.1 Idempotency token auto fill",
		"request/legacy rest-xml 23.1 Idempotency token auto fill",
	},
	"the model binds by a shape or by the operation's reference to its input, a form that no service has": {
		"request/legacy rest-json 12.0 Blob payload",
		"request/legacy rest-json 13.0 Structure payload",
		"request/legacy rest-json 18.0 String payload",
		"request/legacy rest-xml 11.0 Header maps",
	},
	"a JSON value is a string to us, of JSON": {
		"request/legacy rest-json 20.0 JSON value trait",
		"request/legacy rest-xml 24.0 JSON value trait",
	},
	"{} is a structure that is there and empty; nothing tells it from an absent one that a client sends as {}": {
		"request/legacy rest-json 25.2 Content-Type and JSON body",
		"request/legacy rest-json 25.4 Content-Type and JSON body",
	},
	"the client made the header up: a server takes what is sent": {
		"request/legacy rest-json 25.7 Content-Type and JSON body",
	},
	"the vector is about what a client leaves out: nothing on the wire tells an empty collection from an absent one": {
		"request/legacy rest-json 26.1 List in header",
		"request/legacy rest-xml 26.1 List in header",
	},
})

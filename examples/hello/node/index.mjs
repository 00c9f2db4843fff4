// Says hello: to an HTTP API's request (payload format 2.0), or to an event of
// your own such as {"name": "Ada"}.

export const handler = async (event, context) => {
  const http = event.requestContext?.http;
  const { name = "world" } = (http ? event.queryStringParameters : event) ?? {};
  console.log("saying hello to", name);
  const hello = { message: `Hello, ${name}!`, from: context.functionName };
  if (!http) return hello;
  return {
    statusCode: 200,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(hello),
  };
};

// Finds packages for import where NODE_PATH names folders of them (those of
// layers), as Lambda's runtimes do from nodejs18.x on. Node.js itself only does so
// for require. This module is loaded as Node.js's hooks are, on a thread of theirs.

let parents = [];

export function initialize(data) {
  parents = data.parents;
}

export async function resolve(specifier, context, next) {
  try {
    return await next(specifier, context);
  } catch (error) {
    if (error.code !== "ERR_MODULE_NOT_FOUND" || /^[./]|^[a-z]+:/.test(specifier)) throw error;
    for (const parentURL of parents) {
      try {
        return await next(specifier, { ...context, parentURL });
      } catch (other) {
        if (other.code !== "ERR_MODULE_NOT_FOUND") throw other;
      }
    }
    throw error;
  }
}

// Shows /openapi.json. The key stays in this page and is forgotten with it.
"use strict";

const byId = (id) => document.getElementById(id);

function element(name, options = {}, ...children) {
  const made = Object.assign(document.createElement(name), options);
  made.append(...children);
  return made;
}

// What a reference leads to; anything else is itself.
function resolved(value, whole) {
  let found = value;
  for (let steps = 0; found && found.$ref && steps < 20; steps += 1) {
    found = found.$ref.slice(2).split("/").reduce((at, part) => at && at[part], whole);
  }
  return found || {};
}

// The type of a schema, in a few words.
function typeOf(schema, whole) {
  const found = resolved(schema, whole);
  if (found.enum) return found.enum.map((word) => JSON.stringify(word)).join(" | ");
  if (found.anyOf) return found.anyOf.map((one) => typeOf(one, whole)).join(" | ");
  const type = [].concat(found.type || "any").join(" | ");
  if (found.items) return `${type} of ${typeOf(found.items, whole)}`;
  return found.format ? `${type} (${found.format})` : type;
}

// Every field of a schema with the path to it.
function fieldsOf(schema, whole, prefix = "", depth = 0) {
  const found = resolved(schema, whole);
  const fields = [];
  for (const part of [found, ...(found.allOf || []), ...(found.anyOf || [])]) {
    for (const [name, field] of Object.entries(resolved(part, whole).properties || {})) {
      fields.push([prefix + name, typeOf(field, whole), field.description || ""]);
      if (depth < 3) fields.push(...fieldsOf(field, whole, `${prefix}${name}.`, depth + 1));
    }
  }
  if (found.items && depth < 3) fields.push(...fieldsOf(found.items, whole, `${prefix.replace(/\.$/, "")}[].`, depth + 1));
  return fields;
}

function table(head, rows) {
  const cells = (kind, row) => element("tr", {}, ...row.map((text) => element(kind, { textContent: text })));
  return element("table", {}, cells("th", head), ...rows.map((row) => cells("td", row)));
}

function answer(status, response, whole) {
  const found = resolved(response, whole);
  const shown = [element("p", {}, element("span", { className: "status", textContent: `${status} ` }), found.description || "")];
  for (const [kind, media] of Object.entries(found.content || {})) {
    shown.push(element("p", {}, element("code", { textContent: kind })));
    if (Number(status) < 300) {
      const fields = fieldsOf(media.schema || {}, whole);
      if (fields.length > 0) shown.push(table(["field", "type", ""], fields));
      if (media.example) {
        const text = typeof media.example === "string" ? media.example : JSON.stringify(media.example, null, 2);
        shown.push(element("pre", { textContent: text }));
      }
    }
  }
  return element("section", {}, ...shown);
}

function operation(path, method, described, whole) {
  const head = element(
    "summary",
    {},
    element("span", { className: "method", textContent: method.toUpperCase() }),
    element("span", { className: "path", textContent: `${path} ` }),
    element("span", { className: "scope", textContent: described["x-scope"] || "no key" }),
    element("div", { textContent: described.summary || "" }),
  );
  const parts = [head];
  const parameters = (described.parameters || []).map((one) => [one.name, one.in, typeOf(one.schema, whole), one.description || ""]);
  if (parameters.length > 0) parts.push(table(["parameter", "in", "type", ""], parameters));
  for (const [status, response] of Object.entries(described.responses)) parts.push(answer(status, response, whole));
  return element("details", {}, ...parts);
}

async function show() {
  const key = byId("key").value;
  const response = await fetch("/openapi.json", { headers: key ? { "X-API-Key": key } : {} });
  byId("key-form").hidden = response.status !== 401 && response.status !== 403;
  if (!response.ok) {
    byId("message").textContent = key ? "This key does not open the description." : "The description needs an API key.";
    return;
  }
  const whole = await response.json();
  document.title = `${whole.info.title} API`;
  byId("message").textContent = `${whole.info.title} ${whole.info.version}: ${whole.info.description}`;
  const all = [];
  for (const [path, methods] of Object.entries(whole.paths)) {
    for (const [method, described] of Object.entries(methods)) all.push(operation(path, method, described, whole));
  }
  byId("operations").replaceChildren(...all);
}

function tell(problem) {
  byId("message").textContent = `The description cannot be shown: ${problem.message}`;
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  show().catch(tell);
});
show().catch(tell);

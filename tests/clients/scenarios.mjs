// What all clients ask, and how a scenario is run.
export const QUESTION = "Where does the sun shine?";
export const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAAC";
export const SCHEMA = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
export const weather = ({ city }) => `${city}: sunny`;

// node CLIENT.mjs URL SCENARIO=KEY ... prints what the client got in each scenario, as JSON.
export async function main(scenarios) {
  const [url, ...pairs] = process.argv.slice(2);
  const got = {};
  for (const [name, key] of pairs.map((pair) => pair.split("=")))
    got[name] = (await scenarios(url, key)[name]()) ?? null;
  process.stdout.write(JSON.stringify(got));
}

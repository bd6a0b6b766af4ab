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

export async function main(scenarios) {
  const [name, url, key] = process.argv.slice(2);
  const got = await scenarios(url, key)[name]();
  process.stdout.write(JSON.stringify(got ?? null));
}

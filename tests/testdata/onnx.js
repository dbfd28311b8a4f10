// Runs ONNX models: node onnx.js MODULES JOBS. JOBS is a JSON file of [{model, input, shape, input_name, out}]: raw float32 go
// in from the file `input`, and tokens and pooled features out to `out`.tokens and `out`.pooled.
const fs = require("fs");
const path = require("path");
const [modules, jobs] = process.argv.slice(2);
const ort = require(path.join(modules, "onnxruntime-node"));

const floats = (file) => {
  const raw = fs.readFileSync(file);
  return new Float32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength));
};

async function main() {
  for (const job of JSON.parse(fs.readFileSync(jobs, "utf8"))) {
    const session = await ort.InferenceSession.create(job.model);
    const view = new ort.Tensor("float32", floats(job.input), job.shape);
    const results = await session.run({ [job.input_name]: view });
    for (const name of ["tokens", "pooled"]) {
      const d = results[name].data;
      fs.writeFileSync(`${job.out}.${name}`, Buffer.from(d.buffer, d.byteOffset, d.byteLength));
    }
  }
}

main().catch((e) => {
  console.error(String(e));
  process.exit(1);
});

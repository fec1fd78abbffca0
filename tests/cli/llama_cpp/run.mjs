// usage: node run.mjs NODE_MODULES TARN DIR CASE...
// A case is "FILE GAP ID,ID,...". llama.cpp continues the ids greedily; then tarn computes the logits of
// the whole sequence, and every token llama.cpp chose must be tarn's best, or less than GAP below it.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, tarn, dir, ...cases] = process.argv.slice(2);
const { getLlama } = await import(pathToFileURL(join(modules, "node-llama-cpp/dist/index.js")).href);
const steps = 40;
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error" });
let bad = 0;
for (const line of cases) {
    const [file, gap, list] = line.split(" ");
    const ids = list.split(",").map(Number);
    const model = await llama.loadModel({ modelPath: file });
    // Its f32 cache; its flash attention rounds to 16 bits, which is enough to turn a router's choice.
    const context = await model.createContext({
        contextSize: 256, threads: 1, flashAttention: false,
        experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32",
    });
    const chosen = [];
    for await (const id of context.getSequence().evaluate([...ids], { temperature: 0, yieldEogToken: true })) {
        chosen.push(id);
        if (chosen.length === steps) break;
    }
    await model.dispose();
    const out = join(dir, "all.f32"), all = [...ids, ...chosen];
    execFileSync(tarn, ["logits", file, "--tokens", all.join(","), "--all", "--act", "f32", "--out", out],
        { stdio: ["ignore", "ignore", "inherit"] });
    const bytes = readFileSync(out);
    const logits = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const width = logits.length / all.length;
    let same = 0, worst = 0;
    chosen.forEach((id, i) => {
        const row = logits.subarray((ids.length - 1 + i) * width, (ids.length + i) * width);
        const below = row.reduce((a, b) => Math.max(a, b), -Infinity) - row[id];
        same += below === 0;
        worst = Math.max(worst, below);
    });
    const ok = chosen.length >= 8 && worst <= Number(gap);
    console.log(`${ok ? "ok" : "FAILED"}: ${file.split("/").pop()}: ${same} of ${chosen.length} tokens alike, the rest at most ${worst.toFixed(4)} below`);
    if (!ok) bad++;
}
process.exit(bad ? 1 : 0);

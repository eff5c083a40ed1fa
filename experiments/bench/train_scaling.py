"""How much faster several processes train than one: python3 train_scaling.py ONE.jsonl MANY.jsonl, log.jsonl of two runs of the same configuration.

Rates are means over the lines after the first third of each run (steps differ in their pages, so text tokens and pages a second are what is compared, not steps)."""

import json
import sys


def rates(path):
    with open(path) as f:
        lines = [json.loads(line) for line in f if line.strip()]
    lines = lines[len(lines) // 3 :]
    weights = [1 / line["steps_per_s"] for line in lines]  # a line stands for equally many steps: its time
    mean = {key: sum(w * line[key] for w, line in zip(weights, lines, strict=True)) / sum(weights) for key in ("pages_per_s", "text_tokens_per_s", "waited_share")}
    # pages and operations a second, whatever the mix: petaflops grow by what the model computed
    first, last = lines[0], lines[-1]
    mean["tflops"] = 1e3 * (last["petaflops"] - first["petaflops"]) / max(1e-9, last["elapsed_s"] - first["elapsed_s"])
    return mean | {"lines": len(lines), "steps_per_s": len(lines) / sum(weights)}


def main():
    one, many = rates(sys.argv[1]), rates(sys.argv[2])
    print(json.dumps({"one": one, "many": many, "speedup": {key: many[key] / one[key] for key in ("pages_per_s", "text_tokens_per_s", "tflops", "steps_per_s")}}, indent=1))


if __name__ == "__main__":
    main()

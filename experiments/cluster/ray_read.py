"""Documents through Ray, one reader a GPU of the cluster: python experiments/cluster/ray_read.py FILE... --model DIR --out OUT [--mode gundam --prompt markdown]

Each document is one task's work, so a lost node costs the documents that it was reading; started again, what is written is not read again. Model and
documents must be on a file system that all nodes see. Without a GPU (--gpus-per-reader 0) it runs on processors.
"""

from __future__ import annotations

import argparse
import os
import sys


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--mode", default="small")
    parser.add_argument("--prompt", default="")
    parser.add_argument("--format", default="md,json")
    parser.add_argument("--address", default=None, help="of a running cluster; none: a local one")
    parser.add_argument("--gpus-per-reader", type=float, default=1.0)
    parser.add_argument("--readers", type=int, default=0, help="0: one a GPU")
    options = parser.parse_args()
    try:
        import ray
    except ImportError:
        print("ray is not installed: pip install ray", file=sys.stderr)
        return 2
    from fovea.documents import all_files, unique_names

    ray.init(address=options.address)
    files = [os.path.abspath(file) for file in all_files(options.files)]  # workers may stand elsewhere
    options.out, options.model = os.path.abspath(options.out), os.path.abspath(options.model)
    number = options.readers or (int(ray.cluster_resources().get("GPU", 0) / options.gpus_per_reader) if options.gpus_per_reader else 1)
    if number < 1:
        print("the cluster has no GPU; --gpus-per-reader 0 reads on processors", file=sys.stderr)
        return 2

    @ray.remote(num_gpus=options.gpus_per_reader)
    class OneReader:
        def read(self, file: str, name: str) -> tuple[str, list[str]]:
            import fovea

            device = "cuda" if options.gpus_per_reader else "cpu"
            # A folder of its own a document: names are given by the driver, so that equal ones do not meet.
            document = fovea.read(file, options.model, out=f"{options.out}/{name}", formats=options.format, mode=options.mode, prompt=options.prompt, device=device)[0]
            return file, document.errors

    readers = ray.util.ActorPool([OneReader.remote() for _ in range(min(number, len(files)))])
    failed = 0
    for file, errors in readers.map_unordered(lambda actor, job: actor.read.remote(*job), list(zip(files, unique_names(files), strict=True))):
        failed += bool(errors)
        print(file, "; ".join(errors) or "read", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

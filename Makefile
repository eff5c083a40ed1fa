# Everything is in scripts/, which also run without make. ARGS goes to the script: make demo ARGS="--font 'DejaVu Sans'"
.PHONY: build setup demo test bench
build:
	@scripts/build.sh $(ARGS)
setup:
	@scripts/setup.sh
demo:
	@scripts/demo.sh $(ARGS)
test:
	@scripts/test.sh $(ARGS)
bench:
	@scripts/bench.sh $(ARGS)

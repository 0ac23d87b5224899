# make demo   set everything up and run the real graph (SOURCE=0|FILE|URL to choose the input)
# make studio  set everything up and serve the page: live picture, why, and teaching
# make test   set everything up and run all tests
# make test-quick  only the tests that start no node and take no time, before each commit
# make coverage    all tests, and which lines they reach
# make docs   build the documentation into build/docs (needs no ROS)
# make bench  measure on VIDEOS=...
# make data   import the public data sets found under DATA=... into data/
# make reference  write config/bharnet.yaml and docs/parameters.md anew from bharnet_ros/config.py
# make training  install the training side alone, without ROS, into .venv-training
# make models train, evaluate and export the shipped models anew (an hour on two cores)
#
# Works on a bare x86-64 Linux with Python 3.10 to 3.12, make and a C++ compiler: ROS 2 comes as
# wheels into a virtual environment. On a normal Jazzy install use colcon instead, see README.md.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV ?= .venv
SOURCE ?=
DATA ?= ../shared/data
VIDEOS ?= $(wildcard $(DATA)/videos/*.mp4)

# Said now, not after minutes: CMake files of ROS and lists such as PATH do not quote their paths.
ifneq ($(words $(CURDIR) $(VENV)),2)
$(error A ROS workspace cannot live in a path with spaces: move '$(CURDIR)', or VENV, elsewhere)
endif
ifneq ($(findstring :,$(CURDIR)$(VENV)),)
$(error A ROS workspace cannot live in a path with a colon: move '$(CURDIR)', or VENV, elsewhere)
endif

# Nothing of another ROS install, or of the caller's Python, may leak in.
unexport PYTHONPATH PYTHONHOME AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH
unexport LD_LIBRARY_PATH ROS_DISTRO RMW_IMPLEMENTATION
export ROS_AUTOMATIC_DISCOVERY_RANGE ?= LOCALHOST
# Recipes take it from there: in their text a shell would read its quotes.
export SOURCE
DOCS_VENV := .venv-docs
TRAINING_VENV := .venv-training
PIP := -m pip install --disable-pip-version-check --no-input --progress-bar off
# step.py LOG 'what' COMMAND: says how a long command goes, and shows its output only if it fails.
STEP := $(PYTHON) scripts/step.py
TORCH := torch==2.13.0
SETUP := export PATH="$(abspath $(VENV))/bin:$$PATH" AMENT_PREFIX_PATH="$(abspath $(VENV))"
RUN := $(SETUP); set +u; source install/setup.bash; set -u

.PHONY: demo studio test test-quick coverage lint docs bench training data models reference build clean
.DEFAULT_GOAL := demo

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || \
	  { echo "Python 3.10 to 3.12 is needed; give one with PYTHON=..."; exit 1; }
	@$(STEP) build/venv.log 'making the virtual environment $(VENV)' $(PYTHON) -m venv $(VENV)
	@touch $(VENV)/COLCON_IGNORE

# --no-deps: the lock file is complete, and leaves out 330 MB that mediapipe asks for in vain.
$(VENV)/.runtime: requirements/lock.txt | $(VENV)/bin/python
	@$(STEP) build/pip.log 'installing ROS 2, MediaPipe and ONNX Runtime into $(VENV), once' \
	  $(VENV)/bin/python $(PIP) --no-deps -r requirements/lock.txt
	@touch $@

$(VENV)/.dev: requirements/lock-dev.txt $(VENV)/.runtime
	@$(STEP) build/pip-torch.log 'installing PyTorch, once' $(VENV)/bin/python $(PIP) $(TORCH)
	@$(STEP) build/pip-dev.log 'installing what training and tests need, once' \
	  $(VENV)/bin/python $(PIP) --no-deps -r requirements/lock-dev.txt
	@touch $@

# An environment of its own: the pages are made from source text, without ROS, torch or a compiler.
$(DOCS_VENV)/.done: requirements/lock-docs.txt
	@$(STEP) build/docs-venv.log 'making the virtual environment $(DOCS_VENV)' \
	  $(PYTHON) -m venv $(DOCS_VENV)
	@touch $(DOCS_VENV)/COLCON_IGNORE
	@$(STEP) build/pip-docs.log 'installing MkDocs, once' \
	  $(DOCS_VENV)/bin/python $(PIP) --no-deps -r requirements/lock-docs.txt
	@touch $@

# colcon knows itself what is up to date, but leaves links to files that have moved.
build: $(VENV)/.runtime
	@if [ -d install ]; then find install -xtype l -delete; fi; $(SETUP); \
	$(STEP) build/make.log 'building messages and package with colcon' \
	  colcon --log-base build/log build --symlink-install \
	  --event-handlers console_direct+ console_stderr- summary- \
	  --cmake-args -DBUILD_TESTING=OFF -DPython3_EXECUTABLE="$(abspath $(VENV))/bin/python"

demo: build
	@$(RUN); python install/bharnet_ros/lib/bharnet_ros/demo --page build/demo/demo.html \
	  $(if $(SOURCE),--source "$$SOURCE"); \
	if [ -t 1 ]; then echo 'and now live, until Ctrl-C:'; $(STUDIO); \
	else echo 'to see it live, and to teach it actions: make studio'; fi

STUDIO = bharnet studio $(if $(SOURCE),--source "$$SOURCE")
studio: build
	@$(RUN); $(STUDIO)

docs: $(DOCS_VENV)/.done
	@NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --strict
	@echo "the pages are in build/docs, for a browser: file://$(abspath build/docs/index.html)"

lint: $(VENV)/.dev
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy bharnet_ros

# A file's tests stay together, because they share nodes and trained networks; every test with ROS
# has a domain of its own. One thread a library, and two workers more than cores: nodes are waited for.
# (`nproc` would count no more cores than OMP_NUM_THREADS.)
PYTEST := workers=$$(($$(env -u OMP_NUM_THREADS nproc) + 2)); export OMP_NUM_THREADS=1; \
  python -m pytest -n $$workers --dist loadfile
test: build $(VENV)/.dev lint
	@$(RUN); $(PYTEST) $(PYTEST_ARGS)

test-quick: build $(VENV)/.dev
	@$(RUN); $(PYTEST) -m 'not graph and not slow' $(PYTEST_ARGS)

# Apart from `test`: to count lines slows down what is measured in time.
coverage: build $(VENV)/.dev
	@$(RUN); $(PYTEST) --cov --cov-report=term:skip-covered $(PYTEST_ARGS)

# All of the lock file but ROS and colcon; an edit in this tree works at once.
training: requirements/lock-dev.txt
	@$(STEP) build/training-venv.log 'making the virtual environment $(TRAINING_VENV)' \
	  $(PYTHON) -m venv $(TRAINING_VENV)
	@touch $(TRAINING_VENV)/COLCON_IGNORE
	@grep -v '^ros-jazzy-\|^colcon-' requirements/lock-dev.txt > $(TRAINING_VENV)/lock.txt
	@$(STEP) build/training-torch.log 'installing PyTorch' \
	  $(TRAINING_VENV)/bin/python $(PIP) $(TORCH)
	@$(STEP) build/training-pip.log 'installing what training needs' \
	  $(TRAINING_VENV)/bin/python $(PIP) --no-deps -r $(TRAINING_VENV)/lock.txt
	@BHARNET_MESSAGES=0 $(STEP) build/training-package.log 'installing bharnet_ros, linked' \
	  $(TRAINING_VENV)/bin/python $(PIP) --no-deps --editable .
	@echo "ready: $(TRAINING_VENV)/bin/bharnet-train --help"

bench: build
	@$(RUN); bharnet bench $(VIDEOS)

reference: build
	@$(RUN); python -m bharnet_ros.tools.reference

# Sets that are there already stay: remove a folder of data/ to import it anew.
data: build $(VENV)/.dev
	@$(RUN); \
	bharnet-train import public --source "$(DATA)" --to data; \
	sets=$$(printf '%s\n' data/*/dataset.json | xargs -n 1 dirname | paste -sd ,); \
	bharnet-train validate --data "[$$sets]"; \
	[ -e runs/look/look.html ] || bharnet-train look --data "[$$sets]" --report runs/look --mark true

# People whom the encoder does not learn from while thresholds are chosen; the shipped models learn from all.
HELD := people/me-abhinav-1001/Sign-Language-Detection,people/tamtridung/ASL_SignWish,$\
  people/Neat11/realtime-SignLanguage,people/avanishgarg/Code,ksl13/4

# Whose words the demo recording is the mean of: no other licence is on its card.
SIGNERS := [{path: data/words10, without: [0054*, 0055*, 0056*]}, {path: data/words16, group: committer}]

models: data
	@$(RUN); set -x; recipe=training/recipes/encoder.yaml; \
	bharnet-train train --recipe $$recipe --recipe.out runs/encoder_held --recipe.optim.epochs 10 \
	  --recipe.split.test '[$(HELD)]'; \
	bharnet-train train --recipe $$recipe --recipe.out runs/encoder; \
	cp runs/encoder/run.json runs/encoder/weights.pt models/encoder/; \
	for name in asl_words ksl; do words=training/recipes/$$name.txt; \
	  bharnet-train strangers --run runs/encoder_held --words $$words --false_share 0.05 \
	    --report runs/$${name}_held; \
	  bharnet-train export --run runs/encoder --words $$words --strangers runs/$${name}_held \
	    --name $$name --to models/$$name.onnx; done; \
	recipe=training/recipes/gestures.yaml; \
	bharnet-train online --recipe $$recipe --groups '[gestures/b2,gestures/a4,gestures/a2]' \
	  --tune false --report runs/gestures_held; \
	bharnet-train train --recipe $$recipe --recipe.out runs/gestures; \
	bharnet-train export --run runs/gestures --online runs/gestures_held --name gestures \
	  --words training/recipes/gestures.txt --to models/gestures.onnx; \
	if [ -d data/strangers ]; then bharnet-train strangers --model models/asl_words.onnx \
	  --data '[{path: data/strangers}]' --rate 10 --aspect 0.75 --report runs/strangers; fi; \
	bharnet-train demo-recording --recipe training/recipes/encoder.yaml \
	  --recipe.sources '$(SIGNERS)' --words '[coffee,please,large,tea,thank-you]' --to models/demo_keypoints

clean:
	rm -rf build install log

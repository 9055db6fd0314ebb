# Rules of the images; run by lib/run.sh, which knows the store. `all`: the longest chains first.
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.PHONY: all base tools every given
all: state/base.id state/tools.id state/every.id state/given.id

state/base.STAMP-base.checked: ; @$(LAUNCH) steps/base.sh
state/base.id: state/base.STAMP-base.checked ;
base: state/base.id
state/tools.STAMP-tools.checked: state/base.id ; @$(LAUNCH) steps/tools.sh
state/tools.id: state/tools.STAMP-tools.checked ;
tools: state/tools.id
state/every.STAMP-every.checked: state/base.id state/tools.id ; @$(LAUNCH) steps/every.sh
state/every.id: state/every.STAMP-every.checked ;
every: state/every.id
state/given.STAMP-given.checked: state/base.id state/tools.id ; @$(LAUNCH) steps/given.sh
state/given.id: state/given.STAMP-given.checked ;
given: state/given.id

"""How well the trainer learns from public data: our features and head beside the anchors everybody knows.

`python -m benchmarks.quality --data DIR` measures by cross-validation on the training parts. The test parts are opened
once a release, with `--open-test RELEASE`; what was opened stands in `results.json` and is not opened again for that release.

The files, in the order in which they import: `metrics` (figures with intervals), `sets` (the public sets and their fixed
splits), `anchors` and `ours` (what is compared), `variants` (which setting would serve better), `measure` (one set from
its files to its figures), `page` (results -> the section of docs/quality.md).
"""

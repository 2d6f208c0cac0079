"""The benchmarks: ``python -m bench [NAME ...] [--json] [--rounds N] [--seconds S] [--profile DIR]``.

Every figure is measured in one run beside its reference, in alternating rounds; the value is the median. One
line a figure: ``NAME value unit goal met|short``; figures without a goal end in ``-``. Answers are checked: a
server that is quick to answer wrongly stops the run.
"""

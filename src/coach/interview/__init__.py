"""The mock interview: questions of the notebooks, one coding task, a clock and a report."""

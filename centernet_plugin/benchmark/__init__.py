"""The comparison of our components with MMDetection's: ``tools/analysis_tools/benchmark.py``."""

"""Our components beside MMDetection's, ready to be measured."""

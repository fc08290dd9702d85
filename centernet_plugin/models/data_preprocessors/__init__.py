from .data_preprocessor import DataPreprocessor

__all__ = ['DataPreprocessor']

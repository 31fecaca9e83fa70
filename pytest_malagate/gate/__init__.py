"""Judgement: values in, values out. No clock, no files, no environment, no network."""

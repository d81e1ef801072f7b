"""Aliases: predicts which configs are the same to OpenVINO, so that only one of them is measured."""

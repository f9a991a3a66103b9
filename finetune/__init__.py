"""Better models: log readers, trainers, evaluation."""

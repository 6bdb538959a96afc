"""What the workers hold in common without sharing state: who is ready, metric files, logs. Knows nothing of Flask."""

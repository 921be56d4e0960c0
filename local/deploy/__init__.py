"""What a deployment needs beside Bicep: the hooks of azure.yaml, and the way back."""

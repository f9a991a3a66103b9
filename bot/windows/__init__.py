"""What people see in the browser: Gradio windows over the assistant."""

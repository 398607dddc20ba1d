"""A trained model behind an address: OpenAI's protocol for models that write, an endpoint each for the others."""

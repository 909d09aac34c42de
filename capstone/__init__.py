"""The service that the lessons make together: `uvicorn capstone.main:app`."""

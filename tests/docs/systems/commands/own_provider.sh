export OPENAI_BASE_URL=http://127.0.0.1:11434/v1
export OPENAI_API_KEY=unused
exec uvicorn capstone.main:app --port 8010

curl -s http://127.0.0.1:8010/v1/models -H "Authorization: Bearer demo"

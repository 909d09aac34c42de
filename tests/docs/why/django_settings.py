"""Django's settings, which have to be there before Ninja is imported."""

import os

from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["service"],
    SECRET_KEY=os.urandom(32).hex(),
    ROOT_URLCONF="tests.docs.why.django_service",
    LOGGING_CONFIG=None,  # the log belongs to whoever runs the tests
)

"""Three frameworks side by side. Django's settings come first: Ninja reads them when it is imported."""

from tests.docs.why import django_settings as django_settings

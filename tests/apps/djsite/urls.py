# SPDX-License-Identifier: MIT
from django.contrib import admin
from django.urls import path

from notes import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("upload/", views.upload),
    path("stream/<int:megabytes>/", views.stream),
    path("file/", views.file),
    path("where/<path:rest>", views.where),
]

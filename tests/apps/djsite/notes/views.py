# SPDX-License-Identifier: MIT
import hashlib

from django.conf import settings
from django.http import FileResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def upload(request):
    state, size = hashlib.sha256(), 0
    for chunk in request.FILES["file"].chunks():
        state.update(chunk)
        size += len(chunk)
    return JsonResponse({"name": request.FILES["file"].name, "size": size,
                         "sha256": state.hexdigest(),
                         "note": request.POST.get("note")})


def stream(request, megabytes):
    return StreamingHttpResponse(
        (bytes([n % 251]) * 65536 for n in range(megabytes * 16)),
        content_type="application/octet-stream")


def file(request):
    return FileResponse(open(settings.PLACE / "download.bin", "rb"),
                        as_attachment=True)


def where(request, rest):
    return JsonResponse({
        "path": request.path, "path_info": request.path_info, "rest": rest,
        "uri": request.build_absolute_uri(), "get": dict(request.GET.lists()),
        "host": request.get_host(), "secure": request.is_secure()})

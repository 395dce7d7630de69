from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.views import TokenRefreshView

from django_bezant.drf import requires


class Items(APIView):
    permission_classes = (requires("items:read", write="items:write"),)

    def get(self, request: Request) -> Response:
        return Response([f"items for {request.user}"])


urlpatterns = [
    path("", include("django_bezant.urls")),
    path("items", Items.as_view()),
    # What stays of the old library: old sessions are renewed until their own end.
    path("api/token/refresh/", TokenRefreshView.as_view()),
]

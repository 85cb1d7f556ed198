{{- /* Services are named after it: a release with dots is none of theirs. */ -}}
{{- define "ringway.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "ringway.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "ringway.controller" -}}
{{- printf "%s-%s" (include "ringway.fullname" .) .Values.controller.name -}}
{{- end -}}

{{- /* Name of a port of TCP or UDP services: root, port, protocol. */ -}}
{{- define "ringway.streamPort" -}}
{{- $root := index . 0 -}}
{{- $name := printf "%v-%s" (index . 1) (index . 2) -}}
{{- with $root.Values.portNamePrefix }}{{ . }}-{{ end }}{{ $name -}}
{{- end -}}

{{- define "ringway.admission" -}}
{{- printf "%s-admission" (include "ringway.fullname" .) -}}
{{- end -}}

{{- define "ringway.electionID" -}}
{{- default (printf "%s-leader" (include "ringway.fullname" .)) .Values.controller.electionID -}}
{{- end -}}

{{- define "ringway.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "ringway.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "ringway.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end -}}

{{- define "ringway.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "ringway.selectorLabels" . }}
app.kubernetes.io/part-of: {{ .Chart.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "ringway.image" -}}
{{- with .Values.controller.image -}}
{{- with .registry }}{{ . }}/{{ end }}{{ .image }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end -}}
{{- end -}}

{{- define "ringway.httpPort" -}}
{{- default (ternary 80 10080 .Values.controller.hostNetwork) .Values.controller.containerPort.http -}}
{{- end -}}

{{- define "ringway.httpsPort" -}}
{{- default (ternary 443 10443 .Values.controller.hostNetwork) .Values.controller.containerPort.https -}}
{{- end -}}

{{- /* Watched namespaces, separated by commas; empty: all, or by selector. */ -}}
{{- define "ringway.namespaces" -}}
{{- with .Values.controller.scope -}}
{{- if and .enabled (not .namespaceSelector) -}}
{{- default (include "ringway.namespace" $) .namespace | nospace -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Labels of the namespaces that are watched. */ -}}
{{- define "ringway.selector" -}}
{{- with .Values.controller.scope -}}
{{- if not (and .enabled .namespace) -}}{{ .namespaceSelector }}{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Data of the ConfigMap: controller.config, and values that stand for keys of it. */ -}}
{{- define "ringway.config" -}}
{{- $config := dict -}}
{{- range $key, $value := .Values.controller.config -}}
{{- $_ := set $config $key (include "ringway.scalar" $value) -}}
{{- end -}}
{{- with .Values.controller -}}
{{- if .allowSnippetAnnotations -}}
{{- $_ := set $config "allow-snippet-annotations" "true" -}}
{{- end -}}
{{- $name := include "ringway.headers" $ -}}
{{- if .addHeaders -}}
{{- $_ := set $config "add-headers" (printf "%s-add-headers" $name) -}}
{{- end -}}
{{- if .proxySetHeaders -}}
{{- $_ := set $config "proxy-set-headers" (printf "%s-proxy-headers" $name) -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{- /* How ConfigMaps with fields begin: namespace/name. */ -}}
{{- define "ringway.headers" -}}
{{- printf "%s/%s-custom" (include "ringway.namespace" .) (include "ringway.fullname" .) -}}
{{- end -}}

{{- /* A value by its path; nothing: it is not there. root, path. */ -}}
{{- define "ringway.value" -}}
{{- $at := dict "value" (index . 0).Values -}}
{{- range splitList "." (index . 1) -}}
{{- $value := get $at "value" -}}
{{- $_ := set $at "value" (ternary (get (ternary $value dict (kindIs "map" $value)) .) nil (kindIs "map" $value)) -}}
{{- end -}}
{{- toJson $at -}}
{{- end -}}

{{- /* Values of the ingress-nginx chart that cannot be had end the rendering. */ -}}
{{- define "ringway.refused" -}}
{{- range (.Files.Get "ingress-nginx-values.json" | fromJson).values -}}
{{- if eq .here "refused" -}}
{{- $value := get (include "ringway.value" (list $ .value) | fromJson) "value" -}}
{{- $isIt := ternary (has $value (default list .only)) (and $value (not (has $value (default list .unless)))) (hasKey . "only") -}}
{{- if $isIt -}}
{{- fail (printf "%s: %s" .value .why) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "ringway.publishService" -}}
{{- with .Values.controller.publishService -}}
{{- if .enabled -}}
{{- if .pathOverride -}}
{{- .pathOverride -}}
{{- else if $.Values.controller.service.enabled -}}
{{- $suffix := ternary "" "-internal" $.Values.controller.service.external.enabled -}}
{{- printf "%s/%s%s" (include "ringway.namespace" $) (include "ringway.controller" $) $suffix -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* More than one pod of a Deployment. */ -}}
{{- define "ringway.isReplicated" -}}
{{- with .Values.controller -}}
{{- if eq .kind "Deployment" -}}
{{- if gt (int (ternary .autoscaling.minReplicas .replicaCount .autoscaling.enabled)) 1 -}}true{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* bindAddresses with a port: what a bind flag takes. */ -}}
{{- define "ringway.bind" -}}
{{- $port := .port -}}
{{- $binds := list -}}
{{- range .addresses -}}{{- $binds = append $binds (printf "%s:%v" . $port) -}}{{- end -}}
{{- join "," $binds -}}
{{- end -}}

{{- /* On the network of the node the admin listener keeps to the address of the node that the
       kubelet calls, of whichever family, and does not offer metrics on its public ones. */ -}}
{{- define "ringway.adminBind" -}}
{{- with .Values.controller -}}
{{- $addresses := ternary (list "[$(POD_IP)]") .bindAddresses .hostNetwork -}}
{{- include "ringway.bind" (dict "addresses" $addresses "port" (int .metrics.port)) -}}
{{- end -}}
{{- end -}}

{{- /* Numbers of values.yaml are floating-point. */ -}}
{{- define "ringway.scalar" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ printf "%.0f" . }}
{{- else -}}{{ printf "%v" . }}
{{- end -}}
{{- end -}}

{{- /* What the chart itself says; extraArgs may not say it again. */ -}}
{{- define "ringway.ownArgs" -}}
{{- with .Values.controller -}}
- --http-bind={{ include "ringway.bind" (dict "addresses" .bindAddresses "port" (include "ringway.httpPort" $)) }}
- --https-bind={{ include "ringway.bind" (dict "addresses" .bindAddresses "port" (include "ringway.httpsPort" $)) }}
- --admin-bind={{ include "ringway.adminBind" $ }}
- --ingress-class={{ default .ingressClassResource.name .ingressClass }}
- --controller-class={{ .ingressClassResource.controllerValue }}
{{- if .watchIngressWithoutClass }}
- --watch-ingress-without-class
{{- end }}
{{- if .ingressClassByName }}
- --ingress-class-by-name
{{- end }}
{{- if .reportNodeInternalIp }}
- --report-node-internal-ip-address
{{- end }}
{{- if ne .healthCheckPath "/healthz" }}
- --health-check-path={{ .healthCheckPath }}
{{- end }}
- --election-id={{ include "ringway.electionID" $ }}
{{- with include "ringway.publishService" $ }}
- --publish-service={{ . }}
{{- end }}
{{- with include "ringway.namespaces" $ }}
- --watch-namespace={{ . }}
{{- end }}
{{- if include "ringway.selector" $ }}
- {{ printf "--watch-namespace-selector=%s" .scope.namespaceSelector | quote }}
{{- end }}
{{- with .defaultBackendService }}
- --default-backend-service={{ . }}
{{- end }}
{{- if include "ringway.config" $ | fromYaml }}
- --configmap={{ include "ringway.namespace" $ }}/{{ include "ringway.controller" $ }}
{{- end }}
{{- range $protocol := list "tcp" "udp" }}
{{- if get $.Values $protocol }}
- --{{ $protocol }}-services-configmap={{ include "ringway.namespace" $ }}/{{ include "ringway.fullname" $ }}-{{ $protocol }}
{{- end }}
{{- end }}
{{- if .admissionWebhooks.enabled }}
- --admission-bind={{ include "ringway.bind" (dict "addresses" .bindAddresses "port" (int .admissionWebhooks.port)) }}
- --admission-service={{ include "ringway.namespace" $ }}/{{ include "ringway.admission" $ }}
- --admission-secret={{ include "ringway.namespace" $ }}/{{ include "ringway.admission" $ }}
- --admission-configuration={{ include "ringway.admission" $ }}
{{- end }}
{{- if .cores }}
- --cores={{ int .cores }}
{{- end }}
{{- if .pin }}
- --pin
{{- end }}
- --driver={{ .driver }}
{{- with .accessLog }}
- --access-log={{ . }}
{{- end }}
- --log-level={{ .logLevel }}
- --drain-delay={{ include "ringway.scalar" .drainDelay }}
- --drain-timeout={{ include "ringway.scalar" .drainTimeout }}
{{- end -}}
{{- end -}}

{{- define "ringway.args" -}}
- serve
{{ include "ringway.ownArgs" . }}
{{- range $flag, $value := .Values.controller.extraArgs }}
{{- if or (kindIs "invalid" $value) (and (eq (toString $value) "") (ne $flag "health-check-path")) }}
- --{{ $flag }}
{{- else if kindIs "slice" $value }}
- {{ printf "--%s=%s" $flag (join "," $value) | quote }}
{{- else }}
- {{ printf "--%s=%s" $flag (include "ringway.scalar" $value) | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* What the schema cannot say. */ -}}
{{- define "ringway.validate" -}}
{{- include "ringway.refused" . -}}
{{- with .Values.controller -}}
{{- $drain := addf .drainDelay .drainTimeout -}}
{{- if le (float64 .terminationGracePeriodSeconds) $drain -}}
{{- fail (printf "controller.terminationGracePeriodSeconds (%v) must be more than drainDelay + drainTimeout (%v), or running requests are cut off" .terminationGracePeriodSeconds $drain) -}}
{{- end -}}
{{- $own := include "ringway.ownArgs" $ -}}
{{- range $flag, $value := .extraArgs -}}
{{- if regexMatch (printf "(?m)^- \"?--%s(=|$)" (regexQuoteMeta $flag)) $own -}}
{{- fail (printf "controller.extraArgs.%s: the chart has a value of its own for this flag; see values.yaml" $flag) -}}
{{- end -}}
{{- if has $flag (list "manifests" "kubeconfig") -}}
{{- fail (printf "controller.extraArgs.%s: a pod reads the API server with its account" $flag) -}}
{{- end -}}
{{- end -}}
{{- if and .autoscaling.enabled (eq .kind "DaemonSet") -}}
{{- fail "controller.autoscaling.enabled: a DaemonSet has one pod per node" -}}
{{- end -}}
{{- if and .autoscaling.enabled (gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) -}}
{{- fail "controller.autoscaling: minReplicas is more than maxReplicas" -}}
{{- end -}}
{{- if and .scope.enabled .scope.namespace .scope.namespaceSelector -}}
{{- fail "controller.scope: set namespace or namespaceSelector, not both" -}}
{{- end -}}
{{- if and .metrics.enabled .metrics.serviceMonitor.enabled (not .metrics.service.enabled) -}}
{{- fail "controller.metrics.serviceMonitor: it finds pods by the Service of controller.metrics.service.enabled" -}}
{{- end -}}
{{- if and .service.enabled (not .service.external.enabled) .publishService.enabled (not .publishService.pathOverride) (not .service.internal.enabled) -}}
{{- fail "controller.service: external.enabled and internal.enabled are both false; service.enabled=false leaves the Services out" -}}
{{- end -}}
{{- if and .admissionWebhooks.enabled (has (int .admissionWebhooks.port) (list (int (include "ringway.httpPort" $)) (int (include "ringway.httpsPort" $)) (int .metrics.port))) -}}
{{- fail (printf "controller.admissionWebhooks.port (%d) is taken by another listener" (int .admissionWebhooks.port)) -}}
{{- end -}}
{{- if and .service.enabled (not .service.enableHttp) (not .service.enableHttps) -}}
{{- fail "controller.service: enableHttp and enableHttps are both false; service.enabled=false leaves the Service out" -}}
{{- end -}}
{{- if $.Values.rbac.scope -}}
{{- if not (include "ringway.namespaces" $) -}}
{{- fail "rbac.scope needs controller.scope.enabled with namespaces, not all of them and no selector" -}}
{{- end -}}
{{- if .admissionWebhooks.enabled -}}
{{- fail "rbac.scope: the admission webhook is an object of the whole cluster; set controller.admissionWebhooks.enabled=false" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

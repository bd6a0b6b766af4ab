"""Tools of servers that run software: the notation is in `tool_schemas`."""

TEXT = """
= aws_
+ Uses the credentials of the default chain: environment, profile, then role. AccessDenied names the
+ IAM action that is missing. Throttled calls are repeated with exponential backoff up to five
+ times. Consistency is eventual: a resource that was just made may not be listed for some seconds.
+ Results are JSON.
@region str=eu-central-1 Region code. Resources of other regions are not seen.
@instance_ids [str] Ids of virtual machines, each starting with i-.
@instance_type str Size, such as t3.micro or m7g.large.
@image_id str Id of the machine image, starting with ami-.
@key_name str Name of the SSH key pair.
@subnet_id str Id of the subnet.
@security_group_ids [str] Ids of security groups.
@security_group_id str Id of the security group.
@count int=1 How many to start.
@tags obj Keys and values for finding resources and splitting bills.
@filters [{name:str,values:[str]}] Filters of the EC2 API, such as instance-state-name.
@max_results int=50 Most results.
@next_token str Token of the next page.
@bucket str Name of the bucket, unique in the world.
@key str Path of the object within the bucket.
@prefix str Only objects whose path begins with this.
@local_path str File on this machine.
@storage_class STANDARD|STANDARD_IA|GLACIER|DEEP_ARCHIVE=STANDARD Class, which sets price and time
. to read.
@expires_in int=3600 Seconds for which the address is valid.
@function_name str Name or ARN of the function.
@payload obj Event that is passed to the function.
@invocation RequestResponse|Event=RequestResponse Whether to wait for the result.
@zip_path str Archive with the code.
@memory_mb int Memory in MB, 128 to 10240.
@timeout_s int Seconds after which it is stopped.
@protocol tcp|udp|icmp Protocol.
@port int Port number.
@cidr str Range of addresses, such as 203.0.113.0/24.
@volume_id str Id of the volume, starting with vol-.
@size_gb int Size in GB.
@description str What it is for.
@zone_id str Id of the hosted zone.
@record_name str Full name of the record.
@record_type A|AAAA|CNAME|MX|TXT Type of the record.
@record_values [str] Values of the record.
@ttl int=300 Seconds that resolvers may keep it.
@start str First day, YYYY-MM-DD.
@end str Day after the last, YYYY-MM-DD.
@granularity DAILY|MONTHLY=MONTHLY Length of the periods.
@group_by SERVICE|REGION|USAGE_TYPE|TAG What the amounts are split by.
@secret_name str Name of the secret.
@secret_value str New value; never shown again in logs.
@user_name str Name of the IAM user.
@policy_arn str ARN of the policy.
@db_identifier str Identifier of the database instance.
@snapshot_name str Name of the snapshot.
@force bool=false Whether to skip a clean shutdown.
list_instances: List EC2 virtual machines with state, size, addresses and tags.
  filters region max_results next_token
run_instances: Start new EC2 virtual machines from an image. They cost money from now on.
  image_id! instance_type! count key_name subnet_id security_group_ids tags region
stop_instances: Stop EC2 virtual machines. Disks are kept and still cost money; memory is lost.
  instance_ids! force region
start_instances: Start EC2 virtual machines that are stopped.
  instance_ids! region
reboot_instances: Reboot EC2 virtual machines.
  instance_ids! region
terminate_instances: Delete EC2 virtual machines for good, with the disks that belong to them. Must
. be confirmed by the user.
  instance_ids! region
create_volume_snapshot: Take a snapshot of an EBS volume as a backup.
  volume_id! description tags region
resize_volume: Make an EBS volume bigger. Shrinking is not possible.
  volume_id! size_gb! region
list_buckets: List the S3 buckets of the account with region and time of creation.
list_objects: List the objects of an S3 bucket below a prefix.
  bucket! prefix max_results next_token
get_object: Download an object of an S3 bucket to a file.
  bucket! key! local_path!
put_object: Upload a file to an S3 bucket.
  bucket! key! local_path! storage_class tags
delete_object: Delete an object of an S3 bucket; recoverable only if versioning is on.
  bucket! key!
create_presigned_url: Create a temporary address under which anybody can download an object of S3.
  bucket! key! expires_in
invoke_function: Run a Lambda function with an event and return its result.
  function_name! payload invocation region
update_function_code: Deploy a new version of the code of a Lambda function.
  function_name! zip_path! region
update_function_config: Change memory, time limit or environment of a Lambda function.
  function_name! memory_mb timeout_s region
authorize_ingress: Open a port of a security group to a range of addresses. Never open SSH to the
. whole internet.
  security_group_id! protocol! port! cidr! description region
upsert_dns_record: Create or change a record in Route 53.
  zone_id! record_name! record_type! record_values! ttl
get_cost_and_usage: Return what was spent in a period, by service, region or tag.
  start! end! granularity group_by
put_secret_value: Store a new version of a secret in Secrets Manager, for instance to rotate a
. password.
  secret_name! secret_value! region
attach_user_policy: Give an IAM user the permissions of a policy.
  user_name! policy_arn!
create_db_snapshot: Back up an RDS database instance.
  db_identifier! snapshot_name! region
= k8s_
+ Uses the kubeconfig of the server and the RBAC permissions of its user; Forbidden names verb and
+ resource that are missing. Objects of custom kinds need the full name of the resource. Output
+ above 50,000 characters is cut at the front. Nothing is retried, so a timeout may mean that the
+ change was made.
@namespace str=default Namespace. Use "all" to look in every namespace where the tool allows it.
@context str Context of the kubeconfig; the current one if omitted.
@name str Name of the object.
@kind str Kind, such as Deployment, Service, Ingress, ConfigMap or a custom resource.
@selector str Label selector, such as app=checkout,tier!=cache.
@pod str Name of the pod.
@container str Name of the container; needed if the pod has several.
@tail_lines int=200 How many of the last lines to return.
@previous bool=false Whether to read the container that ran before the last restart.
@since_minutes int Only lines of the last so many minutes.
@replicas int Number of copies that should run.
@deployment str Name of the deployment.
@manifest str One or several documents of YAML.
@dry_run bool=false Whether to validate on the server without changing anything.
@revision int Revision to return to; the one before if omitted.
@image str Image with tag or digest.
@command [str] Program and arguments, run without a shell.
@node str Name of the node.
@ignore_daemonsets bool=true Whether pods of daemon sets may stay.
@local_port int Port on this machine.
@remote_port int Port of the pod.
@grace_period int=30 Seconds for a clean shutdown.
@data obj Keys and values.
@schedule str Cron expression, such as 0 3 * * *.
@min int Least number of copies.
@max int Greatest number of copies.
@cpu_percent int=70 Mean usage of CPU to aim for.
@sort_by cpu|memory=cpu Order of the rows.
list_pods: List pods with phase, restarts, age and node, to see what is running and what is
. crashing.
  namespace selector context
get_resource: Get one object of any kind as YAML.
  kind! name! namespace context
describe_resource: Describe an object with its recent events, for example why a pod cannot be
. scheduled.
  kind! name! namespace context
list_resources: List the objects of a kind.
  kind! namespace selector context
apply_manifest: Create or update objects from YAML, as kubectl apply does.
  manifest! namespace dry_run context
delete_resource: Delete an object. What it owns is deleted too.
  kind! name! namespace grace_period context
get_pod_logs: Read what a container printed. Use previous to see why it crashed.
  pod! namespace container tail_lines previous since_minutes context
exec_in_pod: Run a command within a container and return what it prints.
  pod! command! namespace container context
scale_deployment: Set how many copies of a deployment run.
  deployment! replicas! namespace context
rollout_restart: Replace the pods of a deployment one after another without changing it.
  deployment! namespace context
rollout_undo: Return a deployment to an earlier revision after a bad release.
  deployment! revision namespace context
rollout_status: Say whether the rollout of a deployment is complete or stuck.
  deployment! namespace context
set_image: Change the image of a container of a deployment, which starts a rollout.
  deployment! container! image! namespace context
list_events: List recent events of a namespace, warnings first.
  namespace context
top_pods: Show CPU and memory used by pods.
  namespace selector sort_by context
top_nodes: Show CPU and memory used by nodes.
  sort_by context
cordon_node: Mark a node so that no new pods are placed on it.
  node! context
drain_node: Move all pods away from a node before maintenance.
  node! ignore_daemonsets grace_period context
port_forward: Forward a local port to a pod, for debugging.
  pod! local_port! remote_port! namespace context
create_config_map: Create or replace a ConfigMap.
  name! data! namespace context
autoscale_deployment: Let the number of copies follow the load between two bounds.
  deployment! min! max! cpu_percent namespace context
= grafana_
+ Uses the service account token in GRAFANA_TOKEN with the role Editor. Periods longer than 30 days
+ are answered with a coarser resolution. When no source is given the default one of the
+ organisation is used. An empty result is not an error: check names and labels first. Times are
+ returned in UTC.
@query str Expression in PromQL.
@log_query str Expression in LogQL, such as {app="api"} |= "timeout".
@start str=now-1h Start of the period, RFC 3339 or relative such as now-6h.
@end str=now End of the period.
@step str=60s Distance of the points.
@datasource str Uid of the data source.
@limit int=100 Most lines or rows.
@dashboard_uid str Uid of the dashboard.
@folder str Title of the folder.
@title str Title.
@panels [obj] Panels with title, kind and expression.
@panel_id int Number of the panel.
@width int=1000 Width in pixels.
@words str Words of the title or tags.
@state firing|pending|normal|nodata State of the rule.
@rule_uid str Uid of the rule.
@condition str Expression and bound, such as error_rate > 0.05.
@for_minutes int=5 How long it must hold before the rule fires.
@severity info|warning|critical Severity.
@contact_point str Who is notified.
@matchers [str] Matchers of labels, such as service="checkout".
@minutes int Length in minutes.
@comment str Reason, shown to others.
@text str Text of the mark.
@tags [str] Tags.
@time str Time of the mark, RFC 3339.
@incident_id str Id of the incident.
@status active|resolved Status of the incident.
@note str Entry for the time line.
@schedule str Name of the rota.
@service str Name of the service.
@trace_id str Id of the trace, 32 hexadecimal characters.
@min_duration str Shortest duration, such as 500ms.
query_prometheus: Evaluate a PromQL expression over a period: rates, percentiles, saturation and so
. on.
  query! start end step datasource
query_loki: Search logs of services with LogQL.
  log_query! start end limit datasource
list_metric_names: List names of metrics that match words, to write a query.
  words datasource
search_dashboards: Find dashboards by title, tag or folder.
  words folder
get_dashboard: Get a dashboard with its panels and variables.
  dashboard_uid!
create_dashboard: Create a dashboard from panels.
  title! panels! folder tags
render_panel: Draw a panel as a picture, for a report or a chat.
  dashboard_uid! panel_id! start end width
list_alert_rules: List rules with their present state, for instance all that are firing.
  state folder
create_alert_rule: Create a rule that notifies people when an expression passes a bound.
  title! condition! for_minutes severity contact_point folder
update_alert_rule: Change bound, duration, severity or receiver of a rule.
  rule_uid! condition for_minutes severity contact_point
create_silence: Suppress notifications that match labels for some time, for example during
. maintenance.
  matchers! minutes! comment!
create_annotation: Mark a moment on dashboards, such as a release.
  text! time tags dashboard_uid
create_incident: Declare an incident, open its room and page whoever is on call.
  title! severity! service
update_incident: Add to the time line of an incident or resolve it.
  incident_id! status note
get_on_call: Say who is on call now and who comes next.
  schedule!
search_traces: Find distributed traces of a service, for example slow ones.
  service! min_duration start end limit
get_trace: Get all spans of one trace.
  trace_id!
= ci_
+ Uses the personal token in CI_TOKEN. Slugs are case sensitive. Runs are kept for 30 days and their
+ output for 15; older ones give 410. Calls that change something are recorded in the audit log
+ under the owner of the token. The state may lag behind by some seconds; poll at most every 10
+ seconds.
@project str Project slug, such as gh/octo/app.
@branch str Branch.
@pipeline_id str Id of the pipeline run.
@job_id str Id of the job.
@parameters obj Parameters of the pipeline.
@limit int=20 Most runs.
@status success|failed|running|canceled|on_hold Only runs in this status.
@from_failed bool=true Whether to repeat only what failed.
@name str Name of the variable or artifact.
@value str Value; it is masked in logs.
@path str Path within the artifacts.
@days int=14 Days to look back.
@cron str Cron expression in UTC.
@config str Content of the YAML file.
trigger_pipeline: Start a build of a branch with parameters.
  project! branch parameters
list_pipelines: List recent builds of a project with status, branch, author and duration.
  project! branch status limit
get_pipeline: Get one build with its jobs and their results.
  pipeline_id!
get_job_log: Get the output of a job, to see why it failed.
  job_id!
get_test_results: Get the tests of a job that failed with their messages.
  job_id!
rerun_pipeline: Repeat a build, all of it or only what failed.
  pipeline_id! from_failed
cancel_pipeline: Stop a build that is running.
  pipeline_id!
approve_job: Approve a job that waits for a person, such as a production release.
  job_id!
list_artifacts: List the files that a job produced.
  job_id!
download_artifact: Download a file that a job produced.
  job_id! path!
set_env_variable: Set a secret or variable for builds of a project.
  project! name! value!
list_flaky_tests: List tests that pass and fail without a change of the code.
  project! days
create_schedule: Run a build regularly.
  project! branch! cron! parameters
validate_config: Check a pipeline file for mistakes before pushing it.
  config!
"""

"""Tools of servers on whose questions the ranking is fitted: none is in the benchmark.

The notation is in `tool_schemas`. The questions are in `tool_questions_train`.
"""

from .tool_schemas_train_life import TEXT as LIFE

WORK = """
= linear_
+ Needs the API key of a workspace member. Identifiers such as ENG-12 and UUIDs are both accepted.
+ Complexity limits apply: 1,500 points a minute, an answer beyond it is an error RATELIMITED.
@id str Identifier, such as ENG-12, or UUID.
@title str One line.
@description str Text in Markdown.
@team str Key of the team, such as ENG.
@state backlog|todo|in_progress|in_review|done|canceled Workflow state.
@assignee str Name or email of a member.
@priority int 0 none, 1 urgent, 2 high, 3 normal, 4 low.
@labels [str] Names of labels.
@cycle str Number of the cycle, or current, next, previous.
@project str Name or id of the project.
@query str Free text.
@limit int=50 Most results.
@body str Markdown.
@parent str Identifier of the parent issue.
@estimate int Points.
@health onTrack|atRisk|offTrack How the project goes.
save_issue: Create an issue, or change the fields of one if an id is given.
  id title description team state assignee priority labels cycle project parent estimate
list_issues: List issues by team, assignee, state, label, cycle or text.
  query team assignee state labels cycle project limit
get_issue: Get an issue with description, comments, attachments and relations.
  id!
create_comment: Comment on an issue.
  id! body!
list_cycles: List the cycles of a team with their dates and progress.
  team!
list_projects: List projects with lead, target date and health.
  team limit
save_project_update: Post a status update of a project to its followers.
  project! body! health!
list_members: List the members of the workspace or of a team.
  team query
archive_issue: Archive an issue, so that it no longer appears in views.
  id!
get_velocity: Get completed points for the last cycles of a team.
  team! limit
= discord_
+ Acts as the bot of the server. Missing permissions are answered with code 50013.
@guild_id str Id (snowflake) of the server.
@channel_id str Id (snowflake) of the channel.
@message_id str Id (snowflake) of the message.
@user_id str Id (snowflake) of the user.
@content str Text of up to 2000 characters, Markdown of Discord.
@emoji str Unicode emoji, or name:id of a custom one.
@role_id str Id of the role.
@reason str Shown in the audit log.
@minutes int Length in minutes.
@name str Name.
@kind text|voice|forum|stage Kind of channel.
@topic str What it is about, up to 1024 characters.
@limit int=50 How many, 1 to 100.
@before str Only messages older than this id.
send_message: Send a message in a text channel or thread.
  channel_id! content!
read_messages: Read the latest messages of a channel.
  channel_id! limit before
edit_message: Change the text of a message that the bot wrote.
  channel_id! message_id! content!
delete_message: Delete a message from a channel.
  channel_id! message_id! reason
pin_message: Pin a message, so that it is found under the pin symbol.
  channel_id! message_id!
create_channel: Create a channel in a server.
  guild_id! name! kind topic
create_thread: Start a thread from a message.
  channel_id! message_id! name!
ban_member: Ban a user from the server for good.
  guild_id! user_id! reason
timeout_member: Keep a member from writing and talking for some time.
  guild_id! user_id! minutes! reason
assign_role: Give a member a role.
  guild_id! user_id! role_id!
list_members: List the members of a server with their roles.
  guild_id! limit
create_poll: Ask the channel a question with up to ten choices.
  channel_id! content!
move_to_voice: Move a member into another voice channel.
  guild_id! user_id! channel_id!
= todoist-
+ Dates are in the time zone of the account. Natural language is understood in English.
@task_id str Id of the task.
@content str Text of the task.
@due_string str When, in words, such as every Friday at 9.
@project_id str Id of the project.
@priority int=1 1 normal to 4 urgent.
@labels [str] Labels.
@filter str Filter of Todoist, such as today | overdue.
@name str Name.
@section_id str Id of the section.
@comment str Text of the comment.
add-task: Add a task to the inbox or a project.
  content! due_string project_id section_id priority labels
find-tasks: Find active tasks by a filter.
  filter project_id
complete-task: Complete a task. A recurring one moves to its next date.
  task_id!
reopen-task: Make a completed task active again.
  task_id!
update-task: Change text, date, priority or labels of a task.
  task_id! content due_string priority labels
delete-task: Delete a task with its subtasks. This cannot be undone.
  task_id!
add-project: Add a project.
  name!
list-projects: List the projects and their sections.
add-comment: Add a comment to a task.
  task_id! comment!
get-productivity-stats: Get completed tasks by day and week, streaks and karma.
= outlook.
+ Microsoft Graph with delegated permissions. Ids change when an item moves between folders.
@messageId str Id of the message.
@to [str] Addresses of recipients.
@cc [str] Addresses for carbon copies.
@subject str Subject line.
@body str Content as HTML or plain text.
@folder str=inbox Well-known name or id of a folder.
@search str KQL, such as from:anna subject:invoice.
@top int=10 How many.
@destination str Folder to which it goes.
@start str Start, ISO 8601.
@end str End, ISO 8601.
@attendees [str] Addresses.
@eventId str Id of the event.
@importance low|normal|high Importance.
@internal str What colleagues get.
@external str What others get.
@flag flagged|complete|notFlagged Follow-up flag.
listMessages: List the newest messages of a folder.
  folder top
searchMessages: Search the mailbox.
  search! top
sendMail: Send a message at once.
  to! subject! body! cc importance
createDraft: Store a message among the drafts without sending it.
  to subject body cc
replyAll: Reply to the sender and all recipients.
  messageId! body!
moveMessage: Move a message to another folder.
  messageId! destination!
flagMessage: Flag a message for follow-up or clear the flag.
  messageId! flag!
deleteMessage: Move a message to the deleted items.
  messageId!
setAutomaticReplies: Turn out-of-office answers on for a period.
  internal! external start end
createMeeting: Create a Teams meeting and invite people.
  subject! start! end! attendees! body
listAttachments: List the files that a message carries.
  messageId!
cancelMeeting: Cancel a meeting that you organise and inform the attendees.
  eventId! body
findMeetingTimes: Propose times at which all attendees are free.
  attendees! start end
= zoom_
+ Server-to-server OAuth. Recordings need a licence with cloud storage.
@meeting_id str Number of the meeting.
@topic str Title.
@start_time str Start, ISO 8601.
@duration int=60 Minutes.
@recurring bool=false Whether it repeats.
@recording_id str Id of the recording.
@email str Address of the participant.
@passcode str Up to ten characters.
schedule_meeting: Schedule a video meeting and get its join link.
  topic! start_time! duration recurring passcode
list_meetings: List upcoming meetings.
update_meeting: Change topic, time or settings of a meeting.
  meeting_id! topic start_time duration passcode
delete_meeting: Delete a meeting; invitations become void.
  meeting_id!
list_recordings: List cloud recordings of a period.
get_transcript: Get the transcript of a recorded meeting with speakers and times.
  recording_id!
list_participants: List who attended a past meeting, when they joined and left.
  meeting_id!
add_registrant: Register somebody for a webinar.
  meeting_id! email!
= mailchimp_
@list_id str Id of the audience.
@email str Address of the subscriber.
@status subscribed|unsubscribed|cleaned|pending State of the subscription.
@campaign_id str Id of the campaign.
@subject_line str Subject.
@html str Body.
@schedule_time str UTC time at a quarter of an hour.
@tag str Tag.
@name str Name.
@conditions [obj] Rules of the segment.
add_subscriber: Add an address to an audience.
  list_id! email! status
update_subscriber: Change the state or the fields of a subscriber.
  list_id! email! status
create_campaign: Create an email campaign for an audience.
  list_id! subject_line! html
schedule_campaign: Set the time at which a campaign goes out.
  campaign_id! schedule_time!
send_test_email: Send a campaign to test addresses only.
  campaign_id! email!
get_campaign_report: Get opens, clicks, bounces and unsubscribes of a campaign.
  campaign_id!
create_segment: Create a segment of an audience by rules.
  list_id! name! conditions!
tag_subscriber: Put a tag on a subscriber.
  list_id! email! tag!
list_audiences: List the audiences and their sizes.
= salesforce_
+ Bulk limits of the edition apply. Field-level security hides fields that the user may not read.
@soql str Query in SOQL.
@object_name str API name of the object, such as Account or Opportunity.
@record_id str Id of 15 or 18 characters.
@fields obj Names and values of fields.
@search str Text.
@description str Text.
@subject str Subject.
@report_id str Id of the report.
run_soql: Run a SOQL query.
  soql!
describe_object: Describe the fields and relationships of an object.
  object_name!
create_record: Create a record of any object.
  object_name! fields!
update_record: Update fields of a record.
  object_name! record_id! fields!
delete_record: Move a record to the recycle bin.
  object_name! record_id!
convert_lead: Convert a lead into an account, a contact and an opportunity.
  record_id!
search_records: Full-text search over all objects.
  search!
log_activity: Log a call, email or meeting on a record.
  record_id! subject! description
run_report: Run a saved report and return its rows.
  report_id!
submit_for_approval: Submit a record for approval.
  record_id! description
"""

SOFTWARE = """
= git_
+ Runs git of the machine in the directory of the repository; hooks run as usual.
@repo_path str Directory of the repository.
@message str Commit message.
@files [str] Paths, relative to the root.
@branch str Name of the branch.
@base str Branch or commit to start from.
@target str Branch or commit to compare with.
@max_count int=10 How many commits.
@revision str Commit, tag or branch.
@remote str=origin Name of the remote.
@path str Path of a file.
@mode soft|mixed|hard=mixed What happens to the index and to the files.
status: Show the state of the working tree.
  repo_path!
diff_unstaged: Show changes in the working tree that are not staged.
  repo_path!
diff: Show the differences between branches or commits.
  repo_path! target!
add: Add file contents to the staging area.
  repo_path! files!
commit: Record the staged changes in the repository.
  repo_path! message!
reset: Unstage everything, or move the branch back to a commit.
  repo_path! revision mode
log: Show the commit log.
  repo_path! max_count path
create_branch: Create a branch.
  repo_path! branch! base
checkout: Switch branches.
  repo_path! branch!
show: Show the contents of a commit.
  repo_path! revision!
blame: Show for each line of a file the commit and author that changed it last.
  repo_path! path!
stash: Put the changes of the working tree aside.
  repo_path! message
push: Send the commits of a branch to a remote.
  repo_path! remote branch
pull: Fetch from a remote and merge into the current branch.
  repo_path! remote branch
= mcp__docker__
+ Talks to the local daemon. Names and ids of containers are both accepted.
@container str Name or id of the container.
@image str Name and tag of the image.
@command str Command line.
@ports {host:int,container:int} Published ports.
@environment obj Environment variables.
@tail int=100 Lines from the end.
@dockerfile str Path of the Dockerfile.
@tag str Name and tag.
@volume str Name of the volume.
@all bool=false Whether stopped ones are included.
@timeout int=10 Seconds before it is killed.
run_container: Run an image in a new container.
  image! command ports environment
list_containers: List containers.
  all
stop_container: Stop a running container.
  container! timeout
remove_container: Remove a stopped container.
  container!
container_logs: Fetch the logs of a container.
  container! tail
container_stats: Show CPU, memory and network use of containers.
  container
exec: Run a command inside of a running container.
  container! command!
build_image: Build an image from a Dockerfile.
  dockerfile! tag!
pull_image: Pull an image from a registry.
  image!
list_images: List local images with sizes.
prune: Remove unused images, networks, volumes and stopped containers.
inspect_container: Show the configuration of a container: mounts, networks, environment.
  container!
= sentry_
+ Needs an auth token with the scopes event:read and project:read. Times are UTC.
@organization str Slug of the organisation.
@project str Slug of the project.
@issue_id str Id such as WEB-3K7 or a URL.
@query str Search in Sentry's syntax, such as is:unresolved.
@status resolved|unresolved|ignored New state.
@event_id str Id of the event.
@release str Version.
@assignee str User or team.
@period 24h|7d|14d|30d=24h Length of time.
find_issues: Find grouped errors of a project.
  organization! project query period
get_issue_details: Get an error group with its latest stack trace and tags.
  issue_id!
update_issue: Resolve, ignore or assign an error group.
  issue_id! status assignee
list_events: List single occurrences of an error group.
  issue_id! period
analyze_with_ai: Find the root cause of an error group and propose a fix.
  issue_id!
find_releases: List releases with adoption and crash-free rates.
  organization! project
find_projects: List projects.
  organization!
get_trace: Get a distributed trace with its spans.
  event_id!
create_project: Create a project and its DSN.
  organization! project!
find_slow_transactions: List transactions by their 95th percentile of duration.
  organization! project period
= pagerduty.
@incident_id str Id of the incident.
@service_id str Id of the service.
@title str Summary.
@urgency high|low Urgency.
@note str Text.
@user_id str Id of the user.
@schedule_id str Id of the schedule.
@start str Start, ISO 8601.
@end str End, ISO 8601.
@statuses [str] triggered, acknowledged or resolved.
listIncidents: List incidents by state, service and time.
  statuses service_id start end
createIncident: Trigger an incident on a service.
  service_id! title! urgency
acknowledgeIncident: Acknowledge an incident, which stops the escalation.
  incident_id!
resolveIncident: Resolve an incident.
  incident_id! note
reassignIncident: Assign an incident to another responder.
  incident_id! user_id!
addNote: Add a note to the timeline of an incident.
  incident_id! note!
listOncalls: List who is on call by escalation policy.
  schedule_id
createOverride: Replace the person on call of a schedule for some time.
  schedule_id! user_id! start! end!
getPostmortemData: Get timeline, responders and durations of an incident.
  incident_id!
createMaintenanceWindow: Suppress incidents of services while work is done.
  service_id! start! end!
= terraform_
+ Workspaces of HCP Terraform. Runs may cost money as soon as they are applied.
@workspace str Name of the workspace.
@run_id str Id of the run.
@message str Reason, shown with the run.
@key str Name of the variable.
@value str Value.
@sensitive bool=false Whether it is hidden from now on.
@provider str Such as hashicorp/aws.
@resource str Type of resource.
list_workspaces: List workspaces.
create_run: Start a plan in a workspace.
  workspace! message
apply_run: Confirm the planned changes and apply them.
  run_id! message
discard_run: Discard a plan without applying it.
  run_id!
get_plan_output: Get what a plan would add, change and destroy.
  run_id!
set_variable: Set a variable of a workspace.
  workspace! key! value! sensitive
get_state_outputs: Read the outputs of the current state.
  workspace!
get_provider_docs: Get the documentation of a provider's resource.
  provider! resource!
lock_workspace: Lock a workspace, so that no run can start.
  workspace! message
= gcp_
+ Application default credentials. Operations that take long return an operation name to poll.
@project str Id of the project.
@zone str=europe-west1-b Zone.
@instance str Name of the instance.
@machine_type str Such as e2-medium.
@bucket str Name of the bucket.
@object str Path of the object.
@sql str Standard SQL.
@dataset str Name of the dataset.
@service str Name of the service.
@image str Container image.
@traffic int Per cent of the requests.
@filter str Filter of Cloud Logging.
@member str Such as user:ann@example.com.
@role str Such as roles/viewer.
@amount num Amount in the currency of the account.
@topic str Name of the topic.
@data str Payload.
@local_path str File on this machine.
list_vms: List virtual machines.
  project! zone
start_vm: Start a stopped virtual machine.
  project! zone instance!
stop_vm: Stop a virtual machine.
  project! zone instance!
resize_vm: Change the machine type of a stopped virtual machine.
  project! instance! machine_type!
upload_object: Upload a file to a bucket.
  bucket! object! local_path!
list_objects: List objects of a bucket.
  bucket!
bigquery_run: Run a query in BigQuery.
  project! sql!
bigquery_list_tables: List the tables of a dataset.
  project! dataset!
deploy_cloud_run: Deploy a revision of a Cloud Run service.
  project! service! image!
split_traffic: Split the traffic of a Cloud Run service between revisions.
  service! traffic!
read_logs: Read log entries.
  project! filter
add_iam_binding: Grant a role to a member.
  project! member! role!
create_budget_alert: Create a budget that sends mail when spending passes a threshold.
  project! amount!
publish_message: Publish a message to a Pub/Sub topic.
  topic! data!
= mongo-
@database str Name of the database.
@collection str Name of the collection.
@filter obj Query document.
@pipeline [obj] Stages of the aggregation.
@documents [obj] Documents.
@update obj Update document with operators.
@keys obj Fields and directions.
@limit int=10 Most documents.
@new_name str New name.
find: Run a find query against a collection.
  database! collection! filter limit
aggregate: Run an aggregation pipeline.
  database! collection! pipeline!
count: Count the documents that match a query.
  database! collection! filter
insert-many: Insert documents into a collection.
  database! collection! documents!
update-many: Update all documents that match a query.
  database! collection! filter! update!
delete-many: Remove all documents that match a query.
  database! collection! filter!
create-index: Create an index on a collection.
  database! collection! keys!
collection-schema: Describe the schema of a collection by a sample.
  database! collection!
list-collections: List the collections of a database.
  database!
rename-collection: Rename a collection.
  database! collection! new_name!
drop-collection: Remove a collection with all documents and indexes.
  database! collection!
explain: Show the winning plan of a query and its statistics.
  database! collection! filter
= redis_
@key str Key.
@value str Value.
@seconds int Seconds until it expires.
@pattern str=* Glob pattern.
@channel str Channel.
@message str Message.
@field str Field of the hash.
get: Get the string value of a key.
  key!
set: Set a key to a string, with an expiry if wanted.
  key! value! seconds
delete: Delete a key.
  key!
expire: Set how long a key lives.
  key! seconds!
scan_keys: Iterate over keys by a pattern.
  pattern
hash_get: Get fields of a hash.
  key! field
publish: Publish a message to a channel.
  channel! message!
info: Get statistics of the server: memory, clients, hit rate.
flush_database: Remove all keys of the database.
"""

TEXTS = (WORK, SOFTWARE, LIFE)

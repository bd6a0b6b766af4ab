"""Tools of shops, travel, music and the like on which the ranking is fitted.

The notation is in `tool_schemas`.
"""

TEXT = """
= shopify_
+ Admin API 2024-10. The cost of a query counts against a leaky bucket of 1,000 points.
@order_id str Number of the order, such as #1024.
@product_id str Id of the product.
@title str Title.
@price str Decimal amount.
@variant_id str Id of the variant.
@quantity int How many.
@location_id str Id of the warehouse or shop.
@tracking_number str Number of the parcel.
@carrier str Name of the carrier.
@code str Code that customers enter.
@percentage num Share of the price.
@customer_id str Id of the customer.
@query str Search, such as fulfillment_status:unfulfilled.
@email str Address.
@reason customer|fraud|inventory|declined|other Reason.
@restock bool=true Whether the items return to stock.
list_orders: List orders.
  query
get_order: Get an order with line items, payments and fulfillments.
  order_id!
cancel_order: Cancel an order and notify the customer.
  order_id! reason restock
fulfill_order: Mark items as shipped and send the tracking number.
  order_id! tracking_number carrier
refund_order: Refund an order in whole or in part.
  order_id! quantity reason restock
create_product: Create a product with variants.
  title! price
update_price: Change the price of a variant.
  variant_id! price!
adjust_inventory: Change the available quantity at a location.
  variant_id! location_id! quantity!
get_inventory_levels: Get the quantities of a product at all locations.
  product_id!
create_discount_code: Create a code that lowers the price at checkout.
  code! percentage!
list_customers: Search customers.
  query
list_abandoned_checkouts: List checkouts that were begun and not paid.
get_sales_report: Get sales by day, product or channel.
= quickbooks_
@customer str Name of the customer.
@amount num Amount.
@lines [obj] Lines with item, quantity and rate.
@due_date str Date, YYYY-MM-DD.
@vendor str Name of the supplier.
@category str Account of the ledger.
@receipt_path str Image or PDF.
@start str First day.
@end str Last day.
@invoice_id str Number of the invoice.
@email str Address.
create_invoice: Create an invoice for a customer.
  customer! lines! due_date
send_invoice: Send an invoice by email.
  invoice_id! email
record_payment: Record that a customer paid an invoice.
  invoice_id! amount!
record_expense: Record an expense with its receipt.
  vendor! amount! category receipt_path
create_bill: Enter a bill of a supplier that is to be paid.
  vendor! lines! due_date
profit_and_loss: Get the profit and loss statement of a period.
  start! end!
balance_sheet: Get the balance sheet at a date.
  end!
aged_receivables: List unpaid invoices by how long they are overdue.
list_vendors: List suppliers.
void_invoice: Void an invoice; it stays in the books with amount zero.
  invoice_id!
= spotify.
+ Playback needs a Premium account and an active device.
@query str Text.
@type track|album|artist|playlist|show=track What is searched.
@uri str URI of the item, such as spotify:track:6rq.
@playlistId str Id of the playlist.
@name str Name.
@volume int Per cent.
@deviceId str Id of the device.
@state track|context|off What is repeated.
@seconds int Position.
searchCatalog: Search tracks, albums, artists and playlists.
  query! type
startPlayback: Start or resume playback.
  uri deviceId
pausePlayback: Pause playback.
skipToNext: Skip to the next track.
addToQueue: Add a track to the queue.
  uri!
setVolume: Set the volume.
  volume!
getCurrentTrack: Get the track that is playing.
createPlaylist: Create a playlist.
  name!
addToPlaylist: Add tracks to a playlist.
  playlistId! uri!
getRecommendations: Get tracks like given ones.
  uri
transferPlayback: Continue playback on another device.
  deviceId!
saveTrack: Save a track to the library.
  uri!
getTopItems: Get the most played artists and tracks of the user.
= travel_
+ Prices change until they are booked. Airports are IATA codes.
@origin str Airport or city.
@destination str Airport or city.
@depart str Date of departure.
@return str Date of return.
@passengers int=1 How many travellers.
@cabin economy|premium|business|first=economy Class.
@offer_id str Id of the offer.
@city str City.
@check_in str Date of arrival.
@check_out str Date of departure.
@guests int=2 How many guests.
@max_price num Most for a night.
@booking_ref str Six characters.
@flight str Flight number, such as KL1234.
@seat str Such as 12A.
@days int Number of days.
search_flights: Search flight offers.
  origin! destination! depart! return passengers cabin
book_flight: Book a flight offer.
  offer_id! passengers
flight_status: Get delay, gate and terminal of a flight.
  flight!
change_booking: Change the dates of a booking.
  booking_ref! depart return
cancel_booking: Cancel a booking and get back what the fare allows.
  booking_ref!
select_seat: Reserve a seat.
  booking_ref! seat!
search_hotels: Search hotels.
  city! check_in! check_out! guests max_price
book_hotel: Book a room.
  offer_id! guests
rent_car: Search rental cars.
  city! check_in! days!
online_check_in: Check in for a flight and get the boarding passes.
  booking_ref!
visa_requirements: Get entry rules for a nationality and a destination.
  origin! destination!
convert_currency: Convert an amount at the rate of today.
  origin! destination!
= figma.
@fileKey str Key in the file's URL.
@nodeId str Id of the node, such as 12:340.
@format png|svg|pdf=png Format.
@scale num=1 Factor.
@message str Text.
@teamId str Id of the team.
@projectId str Id of the project.
getFile: Get the document tree of a file.
  fileKey!
getNode: Get layout, styles and text of a node.
  fileKey! nodeId!
exportImages: Render nodes as images.
  fileKey! nodeId! format scale
getComments: Get the comments of a file.
  fileKey!
postComment: Post a comment at a place of a file.
  fileKey! message! nodeId
getComponents: List the published components of a library.
  teamId!
getVariables: Get the design tokens: colours, spacing and type.
  fileKey!
listProjectFiles: List the files of a project.
  projectId!
getVersions: List the version history of a file.
  fileKey!
getCodeForNode: Generate code of a frame for React or SwiftUI.
  fileKey! nodeId!
= -dropbox
+ Paths begin with a slash and ignore case.
@path str Path in the account.
@to_path str New path.
@local_path str Path on this machine.
@query str Text.
@email str Address.
@access viewer|editor=viewer What they may do.
@expires str Date.
@rev str Revision.
dropbox_list_folder: List the contents of a folder.
  path!
dropbox_upload: Upload a file.
  local_path! path!
dropbox_download: Download a file.
  path! local_path!
dropbox_search: Search names and contents.
  query!
dropbox_share_folder: Share a folder with people.
  path! email! access
dropbox_create_link: Create a shared link.
  path! expires
dropbox_restore: Restore an earlier revision of a file.
  path! rev!
dropbox_move: Move or rename a file or folder.
  path! to_path!
dropbox_delete: Delete a file or folder.
  path!
dropbox_space_usage: Get used and available space.
= -memory
@entities [obj] Entities with name, type and observations.
@relations [obj] Relations with from, to and kind.
@query str Text.
@names [str] Names of entities.
@observations [obj] Entity and texts.
create_entities: Create entities in the knowledge graph.
  entities!
create_relations: Create relations between entities.
  relations!
add_observations: Add facts to entities.
  observations!
delete_entities: Delete entities with their relations.
  names!
read_graph: Read the whole knowledge graph.
search_nodes: Search entities by text.
  query!
open_nodes: Get entities by name.
  names!
= twilio_
@to str Number in E.164 format.
@body str Text.
@media_url str URL of an image.
@from_number str Number of the account.
@sid str Id that starts with SM or CA.
@url str Address of the instructions.
@code str Digits that the user typed.
send_sms: Send a text message.
  to! body! from_number
send_whatsapp: Send a WhatsApp message.
  to! body! media_url
make_call: Place a phone call.
  to! url! from_number
list_messages: List sent and received messages.
  to
get_call: Get state, length and price of a call.
  sid!
start_verification: Send a one-time code to a phone.
  to!
check_verification: Check a one-time code.
  to! code!
buy_number: Buy a phone number.
  from_number!
get_recording: Get the recording of a call.
  sid!
= youtube_
@query str Text.
@video_id str Eleven characters.
@channel_id str Id of the channel.
@language str=en Language code.
@playlist_id str Id of the playlist.
@text str Text.
search_videos: Search videos.
  query!
get_transcript: Get the captions of a video.
  video_id! language
get_comments: Get the comments under a video.
  video_id!
channel_statistics: Get subscribers, views and number of videos of a channel.
  channel_id!
add_to_playlist: Add a video to a playlist.
  playlist_id! video_id!
post_comment: Comment on a video.
  video_id! text!
list_subscriptions: List the channels that the user follows.
"""

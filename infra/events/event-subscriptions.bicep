metadata description = 'What of a topic goes to the function, filtered by Event Grid, so that nothing else wakes the app.'

@description('Required. Name of the system topic.')
param topicName string

@description('Required. ARM id of the function that events go to.')
param functionId string

@description('Required. ARM id of the storage account that dead letters go to.')
param storageAccountId string

@description('Required. Container of the dead letters.')
param deadLetterContainer string

@description('Required. The event subscriptions: name, event types, beginning of the subject and advanced filters of each.')
param eventSubscriptions { name: string, eventTypes: string[], subjectBeginsWith: string, advancedFilters: array }[]

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

// One after the other: a topic takes one change at a time.
@batchSize(1)
resource subscribed 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = [
  for each in eventSubscriptions: {
    parent: topic
    name: each.name
    properties: {
      eventDeliverySchema: 'CloudEventSchemaV1_0'
      destination: {
        endpointType: 'AzureFunction'
        properties: {
          resourceId: functionId
          maxEventsPerBatch: 1
          preferredBatchSizeInKilobytes: 64
        }
      }
      filter: {
        includedEventTypes: each.eventTypes
        subjectBeginsWith: each.subjectBeginsWith
        advancedFilters: each.advancedFilters
      }
      retryPolicy: {
        maxDeliveryAttempts: 30
        eventTimeToLiveInMinutes: 1440
      }
      deadLetterWithResourceIdentity: {
        identity: { type: 'SystemAssigned' }
        deadLetterDestination: {
          endpointType: 'StorageBlob'
          properties: {
            resourceId: storageAccountId
            blobContainerName: deadLetterContainer
          }
        }
      }
    }
  }
]

metadata description = 'What is subscribed to of a system topic, whoever made it: the topic itself stays as it is.'

@description('Required. Name of the topic.')
param name string

@description('Required. Tags of all resources.')
param tags object

@description('Required. ARM id of the action group that alerts go to.')
param actionGroupId string

@description('Required. ARM id of the function that events go to.')
param functionId string

@description('Required. ARM id of the storage account that dead letters go to.')
param storageAccountId string

@description('Required. Container of the dead letters.')
param deadLetterContainer string

@description('Required. The event subscriptions: name, event types, beginning of the subject and advanced filters of each.')
param eventSubscriptions { name: string, eventTypes: string[], subjectBeginsWith: string, advancedFilters: array }[]

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: name
}

module alerts 'alerts.bicep' = {
  name: 'stopgap-alerts-${uniqueString(name)}'
  params: {
    topicName: topic.name
    tags: tags
    actionGroupId: actionGroupId
    eventSubscriptionNames: [for each in eventSubscriptions: each.name]
  }
}

module deadLetters 'dead-letters.bicep' = {
  name: 'stopgap-dead-letters-${uniqueString(subscription().id, name)}'
  scope: resourceGroup(split(storageAccountId, '/')[2], split(storageAccountId, '/')[4])
  params: {
    storageAccountName: last(split(storageAccountId, '/'))
    container: deadLetterContainer
    principalId: topic.identity.principalId
  }
}

// An event subscription is refused until its topic may write dead letters.
module subscribed 'event-subscriptions.bicep' = {
  name: 'stopgap-subscribed-${uniqueString(name)}'
  params: {
    topicName: topic.name
    functionId: functionId
    storageAccountId: storageAccountId
    deadLetterContainer: deadLetterContainer
    eventSubscriptions: eventSubscriptions
  }
  dependsOn: [deadLetters]
}

targetScope = 'subscription'

metadata name = 'Stopgap: events'
metadata description = 'What makes Event Grid tell the app of each watched subscription. It comes after the code: an event subscription to a function is refused until the function is there. A deployment stack of its own, so that all of it goes when it goes.'

@description('Required. Name of the environment.')
param environmentName string

@description('Required. Region of the resource groups that hold the system topics, which have none themselves.')
param location string

@description('Required. ARM id of the function app.')
param functionAppId string

@description('Required. ARM id of the storage account that dead letters go to.')
param storageAccountId string

@description('Required. Container of the dead letters.')
param deadLetterContainer string

@description('Required. ARM id of the action group that alerts go to.')
param actionGroupId string

@description('Required. Name of the resource group that is made in each subscription for topics, where one is needed.')
param topicGroupName string

@description('Required. The watched subscriptions: the id of each, and the ARM ids of the system topics that it has already, empty where it has none. A subscription has one of a type at most, so what is there is used.')
param subscriptions { id: string, resourcesTopicId: string, healthTopicId: string }[]

module watched 'events/subscription.bicep' = [
  for each in subscriptions: {
    name: 'stopgap-events-${uniqueString(environmentName, each.id)}'
    scope: subscription(each.id)
    params: {
      environmentName: environmentName
      location: location
      functionId: '${functionAppId}/functions/vm_event'
      storageAccountId: storageAccountId
      deadLetterContainer: deadLetterContainer
      actionGroupId: actionGroupId
      topicGroupName: topicGroupName
      resourcesTopicId: each.resourcesTopicId
      healthTopicId: each.healthTopicId
    }
  }
]

targetScope = 'subscription'

metadata description = 'The events of one watched subscription: two system topics, made or found, and what is subscribed to of each.'

@description('Required. Name of the environment.')
param environmentName string

@description('Required. Region of the resource group.')
param location string

@description('Required. ARM id of the function that events go to.')
param functionId string

@description('Required. ARM id of the storage account that dead letters go to.')
param storageAccountId string

@description('Required. Container of the dead letters.')
param deadLetterContainer string

@description('Required. ARM id of the action group that alerts go to.')
param actionGroupId string

@description('Required. Name of the resource group that is made for topics, where one is needed.')
param topicGroupName string

@description('Required. ARM id of the system topic of resource events that is there already; empty: there is none.')
param resourcesTopicId string

@description('Required. ARM id of the system topic of health events that is there already; empty: there is none.')
param healthTopicId string

var tags = { 'azd-env-name': environmentName }

var topics = [
  {
    name: 'evgs-stopgap-resources'
    type: 'Microsoft.Resources.Subscriptions'
    existingId: resourcesTopicId
    eventSubscriptions: [
      {
        name: 'stopgap-${environmentName}'
        eventTypes: [
          'Microsoft.Resources.ResourceWriteSuccess'
          'Microsoft.Resources.ResourceWriteFailure'
          'Microsoft.Resources.ResourceWriteCancel'
          'Microsoft.Resources.ResourceActionSuccess'
          'Microsoft.Resources.ResourceActionFailure'
          'Microsoft.Resources.ResourceActionCancel'
          'Microsoft.Resources.ResourceDeleteSuccess'
          'Microsoft.Resources.ResourceDeleteFailure'
          'Microsoft.Resources.ResourceDeleteCancel'
        ]
        subjectBeginsWith: ''
        advancedFilters: [
          {
            operatorType: 'StringBeginsWith'
            key: 'data.operationName'
            values: ['Microsoft.Compute/virtualMachines/', 'Microsoft.Compute/virtualMachineScaleSets/']
          }
          {
            // They are most of what happens to a VM, and change no power state.
            operatorType: 'StringNotContains'
            key: 'data.operationName'
            values: ['/extensions/', '/runCommand']
          }
        ]
      }
      {
        // What `python -m local doctor` proves delivery by: an empty deployment.
        name: 'stopgap-probe-${environmentName}'
        eventTypes: ['Microsoft.Resources.ResourceWriteSuccess']
        subjectBeginsWith: subscription().id
        advancedFilters: [
          {
            operatorType: 'StringIn'
            key: 'data.operationName'
            values: ['Microsoft.Resources/deployments/write']
          }
          {
            // Azure writes the ids of deployments with their provider, and has written them without.
            operatorType: 'StringContains'
            key: 'subject'
            values: ['/deployments/stopgap-probe-']
          }
        ]
      }
    ]
  }
  {
    name: 'evgs-stopgap-health'
    type: 'Microsoft.ResourceNotifications.HealthResources'
    existingId: healthTopicId
    eventSubscriptions: [
      {
        name: 'stopgap-${environmentName}'
        eventTypes: ['Microsoft.ResourceNotifications.HealthResources.ResourceAnnotated']
        subjectBeginsWith: ''
        advancedFilters: [
          {
            operatorType: 'StringBeginsWith'
            key: 'data.resourceInfo.properties.targetResourceType'
            values: ['Microsoft.Compute/virtualMachines', 'Microsoft.Compute/virtualMachineScaleSets']
          }
        ]
      }
    ]
  }
]

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = if (empty(resourcesTopicId) || empty(healthTopicId)) {
  name: topicGroupName
  location: location
  tags: tags
}

module made 'topic.bicep' = [
  for each in topics: if (empty(each.existingId)) {
    name: '${each.name}-${uniqueString(environmentName)}'
    scope: resourceGroup(topicGroupName)
    params: {
      name: each.name
      topicType: each.type
      tags: tags
    }
    dependsOn: [group]
  }
]

module subscribed 'subscribed-topic.bicep' = [
  for each in topics: {
    name: '${each.name}-subscribed-${uniqueString(environmentName)}'
    scope: resourceGroup(!empty(each.existingId) ? split(each.existingId, '/')[4] : topicGroupName)
    params: {
      name: empty(each.existingId) ? each.name : last(split(each.existingId, '/'))
      tags: tags
      actionGroupId: actionGroupId
      functionId: functionId
      storageAccountId: storageAccountId
      deadLetterContainer: deadLetterContainer
      eventSubscriptions: each.eventSubscriptions
    }
    dependsOn: [made]
  }
]

targetScope = 'subscription'

metadata name = 'Stopgap: access'
metadata description = 'What the app may do beyond its own resource group, and with its data in it: the custom roles of roles.json. A deployment stack of its own, so that they go when it goes.'

@description('Required. Name of the environment.')
param environmentName string

@description('Required. Object id of the identity that the app asks Azure by.')
param principalId string

@description('Required. Ids of the subscriptions to watch. Empty where a management group is watched: access-group.bicep then grants the rights there.')
param subscriptions string[]

@description('Required. Whether VMs may be deallocated: only then is the right to granted.')
param allowDeallocate bool

@description('Required. ARM id of the storage account.')
param storageAccountId string

module watched 'access/subscription.bicep' = [
  for id in subscriptions: {
    name: 'stopgap-access-${uniqueString(environmentName, id)}'
    scope: subscription(id)
    params: {
      environmentName: environmentName
      principalId: principalId
      allowDeallocate: allowDeallocate
    }
  }
]

module storage 'access/storage.bicep' = {
  name: 'stopgap-access-storage-${uniqueString(environmentName)}'
  scope: resourceGroup(split(storageAccountId, '/')[4])
  params: {
    environmentName: environmentName
    principalId: principalId
    storageAccountName: last(split(storageAccountId, '/'))
  }
}

targetScope = 'subscription'

metadata description = 'The roles by which one subscription is watched, and given to the app.'

@description('Required. Name of the environment.')
param environmentName string

@description('Required. Object id of the identity that the app asks Azure by.')
param principalId string

@description('Required. Whether VMs may be deallocated: only then is the right to granted.')
param allowDeallocate bool

var roles = loadJsonContent('../roles.json')
var granted = allowDeallocate ? ['watch', 'deallocate'] : ['watch']

resource definitions 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [
  for role in granted: {
    name: guid(subscription().id, environmentName, role)
    properties: {
      // The names of custom roles are unique in the tenant.
      roleName: '${roles[role].name} (${environmentName} ${subscription().subscriptionId})'
      description: roles[role].description
      type: 'CustomRole'
      assignableScopes: [subscription().id]
      permissions: [{ actions: roles[role].actions }]
    }
  }
]

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (role, i) in granted: {
    name: guid(subscription().id, environmentName, role, principalId)
    properties: {
      roleDefinitionId: definitions[i].id
      principalId: principalId
      principalType: 'ServicePrincipal'
      description: 'Stopgap: ${role}'
    }
  }
]

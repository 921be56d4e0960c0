targetScope = 'managementGroup'

metadata name = 'Stopgap: access to a management group'
metadata description = 'What access.bicep grants on each subscription, granted on a management group, and so on all that are or will be in it.'

@description('Required. Name of the environment.')
param environmentName string

@description('Required. Object id of the identity that the app asks Azure by.')
param principalId string

@description('Required. Whether VMs may be deallocated: only then is the right to granted.')
param allowDeallocate bool

var roles = loadJsonContent('roles.json')
var granted = allowDeallocate ? ['watch', 'deallocate'] : ['watch']

resource definitions 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [
  for role in granted: {
    name: guid(managementGroup().id, environmentName, role)
    properties: {
      // The names of custom roles are unique in the tenant.
      roleName: '${roles[role].name} (${environmentName} ${managementGroup().name})'
      description: roles[role].description
      type: 'CustomRole'
      assignableScopes: [managementGroup().id]
      permissions: [{ actions: roles[role].actions }]
    }
  }
]

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (role, i) in granted: {
    name: guid(managementGroup().id, environmentName, role, principalId)
    properties: {
      roleDefinitionId: definitions[i].id
      principalId: principalId
      principalType: 'ServicePrincipal'
      description: 'Stopgap: ${role}'
    }
  }
]

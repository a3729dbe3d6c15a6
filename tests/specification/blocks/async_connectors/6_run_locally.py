import asyncio

async def run_locally():
    task = BatchJobTask(name="test_task")
    # This will trigger the connector's create() and poll get() until completion
    result = await task.execute()
    print(f"Task result: {result}")

if __name__ == "__main__":
    asyncio.run(run_locally())
